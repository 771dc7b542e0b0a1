package nodes

// Program is a binary that nobody here wrote, as the software of a machine. Only the kernel world can run it: the machine's
// clock, its time_scale and what goes on inside are not ours.
//
// The program runs as root of its machine, below a first process that reaps what it leaves behind; the host's files can be read,
// the machine's disk is at /srv, /run and /tmp are empty and in memory. A loss of power takes all but what the disk keeps;
// Files are there anew at every boot.
type Program struct {
	// Command is the program, by its path or found in PATH, and its arguments.
	Command []string `yaml:"command" doc:"the program and its arguments"`
	// Environment is added to PATH, HOME and LANG, which are all that a program gets of its own.
	Environment map[string]string `yaml:"environment" doc:"variables of its environment"`
	// Files are written before it starts, by absolute path. Folders on the way are made.
	Files map[string]string `yaml:"files" doc:"text files that it finds, by absolute path"`
	// Ready says by what one sees that it is ready, once after each start; without, it is when it has started.
	Ready Ready `yaml:"ready" doc:"by what one sees that it is ready"`
	// StopSignal asks it to end, at the end of the drill. After a grace period it is killed.
	StopSignal string `yaml:"stop_signal" choices:"TERM INT HUP QUIT USR1 USR2" doc:"the signal that asks it to end"`
}

// Ready is one of its fields, or none.
type Ready struct {
	Log     string   `yaml:"log" doc:"a line of its output contains this"`
	Port    int      `yaml:"port" doc:"TCP connections to this port are taken"`
	File    string   `yaml:"file" doc:"this path exists"`
	Command []string `yaml:"command" doc:"this command, run every 100 ms on the machine, has status 0"`
}
