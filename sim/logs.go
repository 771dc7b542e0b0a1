package sim

// Logkeeper is a world that keeps what foreign programs write.
type Logkeeper interface {
	// Logs are all that programs wrote, by the names of their machines, after Close. Of very much there are the beginning and the
	// end.
	Logs() map[string][]byte
}
