'use strict';
// Draws the picture of each play, and shows one play at a time. The data is what the page embeds; every text of it goes into the
// document as text. What is drawn is bounded by the width of the picture, however many events there were.
(() => {
  const gutter = 150, right = 14;
  const svgns = 'http://www.w3.org/2000/svg';
  const hidden = /[\p{C}\u2028\u2029]/gu;
  const plain = (text) => String(text).slice(0, 2000).replace(hidden, (c) => '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'));

  function make(name, attributes, text) {
    const e = document.createElementNS(svgns, name);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    if (text !== undefined) e.textContent = plain(text);
    return e;
  }
  function element(name, attributes, text) {
    const e = document.createElement(name);
    for (const key in attributes) e.setAttribute(key, attributes[key]);
    if (text !== undefined) e.textContent = plain(text);
    return e;
  }
  // clock is a time as the rest of the page tells it.
  function clock(seconds, step) {
    const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 3;
    const t = Math.floor(seconds * 1000 + 1e-6) / 1000; // Cut off after the millisecond, as in the tables.
    const h = Math.floor(t / 3600), m = Math.floor(t % 3600 / 60), s = (t % 60).toFixed(digits);
    const two = (n) => String(n).padStart(2, '0');
    if (h) return h + 'h' + two(m) + 'm' + (step >= 60 ? '' : s + 's');
    if (m) return m + 'm' + (step >= 60 && s === '0' ? '' : s + 's');
    return s + 's';
  }
  const steps = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800];
  const number = (v) => (Number.isFinite(v) ? v : 0);
  const list = (v) => (Array.isArray(v) ? v : []);

  // bins reads `7:3,1`: place of the stretch, then ok, failed, unknown, lost.
  function bins(density) {
    const out = [];
    for (const word of String(density.bins || '').split(' ')) {
      const [place, counts] = word.split(':');
      if (counts === undefined) continue;
      const c = counts.split(',').map(Number);
      out.push({ from: density.from + place * density.width, ok: c[0] || 0, failed: c[1] || 0, unknown: c[2] || 0, lost: c[3] || 0 });
    }
    return out;
  }

  // step moves the focus to the next thing in a drawing, which is one stop of the Tab key however much is in it.
  function step(drawing, what, by, e) {
    const things = [...drawing.querySelectorAll(what)];
    if (!things.length) return;
    e.preventDefault();
    const n = things.indexOf(document.activeElement);
    things[n < 0 ? (by > 0 ? 0 : things.length - 1) : Math.min(Math.max(n + by, 0), things.length - 1)].focus();
  }

  const colours = new Map(); // Of roles and the like, in the order in which they are met.
  function colour(value) {
    if (!colours.has(value)) colours.set(value, 'var(--v' + colours.size % 6 + ')');
    return colours.get(value);
  }
  const states = { up: 'var(--pass)', 'powered-off': 'var(--violation)', crashed: 'var(--violation)', stopped: 'var(--violation)' };
  const wrong = { ok: 'var(--ok)', failed: 'var(--failed)', unknown: 'var(--unknown)', lost: 'var(--lost)' };

  class Picture {
    constructor(place, data) {
      this.place = place;
      this.data = data;
      this.end = Math.max(number(data.end), 0.001);
      this.groups = list(data.clients).map((c) => ({ ...c, density: list(c.density).map((d) => ({ ...d, bins: bins(d) })) }));
      this.detail = element('div', { class: 'detail', 'aria-live': 'polite' });
      this.svg = make('svg', { tabindex: '0', role: 'group', 'aria-label': 'what happened, by machine and time; up and down step through it; plus, minus, left, right, 0 and Home move' });
      place.replaceChildren(this.bar(), this.svg, this.detail);
      this.rest();
      this.home();
      this.listen();
    }
    bar() {
      const bar = element('div', { class: 'bar' });
      const add = (label, title, act) => {
        const b = element('button', { type: 'button', title, 'aria-label': title }, label);
        b.addEventListener('click', act);
        bar.append(b);
      };
      add('+', 'zoom in (+)', () => this.zoom(0.5));
      add('\u2212', 'zoom out (-)', () => this.zoom(2));
      add('\u2190', 'earlier (left arrow)', () => this.pan(-0.25));
      add('\u2192', 'later (right arrow)', () => this.pan(0.25));
      add('all', 'the whole play (0)', () => this.show(0, this.end));
      if (this.data.marked) add('worst moment', 'what broke (Home)', () => this.home());
      const key = element('span', { class: 'key' });
      const keys = [['ok', wrong.ok], ['failed', wrong.failed], ['no answer', wrong.unknown], ['later lost', wrong.lost]];
      for (const [name, c] of keys) {
        const one = element('span', {}, name), patch = element('i');
        patch.style.background = c;
        one.prepend(patch);
        key.append(one);
      }
      bar.append(key);
      return bar;
    }
    listen() {
      this.svg.addEventListener('keydown', (e) => {
        const act = { '+': () => this.zoom(0.5), '=': () => this.zoom(0.5), '-': () => this.zoom(2), ArrowLeft: () => this.pan(-0.25),
          ArrowRight: () => this.pan(0.25), 0: () => this.show(0, this.end), Home: () => this.home() }[e.key];
        const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
        if (by && !e.ctrlKey && !e.metaKey && !e.altKey) return step(this.svg, '[tabindex]', by, e);
        if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault();
        act();
        this.svg.focus();
      });
      this.svg.addEventListener('wheel', (e) => {
        if (!e.ctrlKey && !e.shiftKey) return;
        e.preventDefault();
        const x = (e.clientX - this.svg.getBoundingClientRect().left - gutter) / this.scale() + this.from;
        this.zoom(e.deltaY + e.deltaX > 0 ? 1.25 : 0.8, x);
      }, { passive: false });
      let held = null;
      this.svg.addEventListener('pointerdown', (e) => { if (e.button === 0) held = { x: e.clientX, from: this.from, until: this.until }; });
      window.addEventListener('pointerup', () => { held = null; });
      window.addEventListener('pointermove', (e) => {
        if (!held || Math.abs(e.clientX - held.x) < 3) return;
        const by = (held.x - e.clientX) / this.scale();
        const length = held.until - held.from, from = Math.min(Math.max(0, held.from + by), this.end - length);
        this.show(from, from + length);
      });
      const tell = (e) => { if (e.target.detail) this.tell(e.target.detail); };
      this.svg.addEventListener('pointerover', (e) => { if (!this.pinned) tell(e); });
      this.svg.addEventListener('focusin', tell);
      this.svg.addEventListener('click', (e) => {
        this.pinned = Boolean(e.target.detail);
        if (this.pinned) tell(e); else this.rest();
      });
      window.addEventListener('resize', () => this.draw());
    }
    scale() { return Math.max(1, this.width() - gutter - right) / (this.until - this.from); }
    width() { return Math.max(480, this.svg.clientWidth || this.place.clientWidth || 1200); }
    // home puts the moment at which it broke into the middle, and what led to it in view.
    home() {
      const d = this.data;
      if (!d.marked) return this.show(0, this.end);
      const gap = Math.max(d.from - d.cause, 5), length = Math.max(0, d.until - d.from);
      const half = Math.min(Math.max(gap * 1.5, Math.min(length * 1.25, Math.max(gap * 4, 120))), this.end);
      this.show(Math.max(0, d.from - half), Math.min(this.end, d.from + half));
    }
    zoom(by, around) {
      const middle = around === undefined ? (this.from + this.until) / 2 : around;
      const length = Math.min(this.end, Math.max((this.until - this.from) * by, this.end / 1e6, 0.002));
      const from = Math.min(Math.max(0, middle - (middle - this.from) / (this.until - this.from) * length), this.end - length);
      this.show(from, from + length);
    }
    pan(by) {
      const length = this.until - this.from;
      const from = Math.min(Math.max(0, this.from + by * length), this.end - length);
      this.show(from, from + length);
    }
    show(from, until) {
      this.from = Math.max(0, from);
      this.until = Math.max(until, this.from + 0.001);
      if (!this.due) this.due = requestAnimationFrame(() => { this.due = 0; this.draw(); });
    }
    tell(lines) {
      this.detail.replaceChildren(element('b', {}, lines[0]), document.createTextNode('  ' + plain(lines.slice(1).join('  \u00b7  '))));
    }
    rest() { this.detail.textContent = 'Point at anything for its details, or step through with \u2191 \u2193; click to keep them. + \u2212 \u2190 \u2192 zoom and move, 0 shows all.'; }

    draw() {
      const w = this.width();
      if (!this.place.clientWidth) return; // Another play is shown.
      this.body = make('g', {});
      this.x = (t) => gutter + (t - this.from) * this.scale();
      this.y = 22;
      const below = make('g', {}), top = make('g', {});
      this.ticks(below);
      this.faults();
      this.y += 4;
      for (const m of list(this.data.machines)) this.machine(m);
      const most = Math.max(1, ...this.groups.map((g) => this.peak(g)));
      for (const g of this.groups) this.group(g, most);
      this.whole();
      const height = this.y + 6;
      this.mark(below, top, height);
      this.svg.setAttribute('viewBox', '0 0 ' + w + ' ' + height);
      this.svg.style.height = height + 'px';
      for (const line of below.querySelectorAll('.grid')) line.setAttribute('y2', height - 24);
      this.svg.replaceChildren(below, this.body, top);
    }
    ticks(below) {
      const step = steps.find((s) => s * this.scale() >= 80) || this.until;
      for (let n = Math.ceil(this.from / step); n * step <= this.until; n++) {
        const x = this.x(n * step);
        below.append(make('line', { class: 'grid', x1: x, x2: x, y1: 18, y2: 18, stroke: 'var(--line)', 'stroke-width': 1 }));
        if (this.data.marked && Math.abs(x - this.x(this.data.from)) < 30) continue; // The flag stands there.
        below.append(make('text', { class: 'soft', x, y: 13, 'text-anchor': 'middle' }, clock(n * step, step)));
      }
    }
    // box draws a stretch of time with a label if there is room. Stretches of less than a pixel run together.
    box(s, y, h, fill, label, detail, style) {
      const x1 = Math.max(gutter, this.x(s.from)), x2 = Math.min(this.width() - right, this.x(s.until));
      if (x2 < gutter || x1 > this.width() - right || s.until < s.from) return;
      if (x2 - x1 < 1 && this.last && this.last.y === y && x1 - this.last.x < 1) return;
      this.last = { y, x: x1 };
      const b = make('rect', { x: x1, y, width: Math.max(1.5, x2 - x1), height: h, rx: 2, fill, tabindex: -1, role: 'img', ...style });
      b.setAttribute('aria-label', plain(detail.join(', ')));
      b.detail = detail;
      this.body.append(b);
      const room = Math.floor((x2 - x1 - 8) / 6.4);
      if (label && room >= Math.min(label.length, 4)) {
        const text = label.length > room ? label.slice(0, Math.max(1, room - 1)) + '\u2026' : label;
        const t = make('text', { x: x1 + 4, y: y + h / 2 + 4, 'pointer-events': 'none', class: fill === 'var(--fault)' ? 'dark' : 'on' }, text);
        this.body.append(t);
      }
    }
    label(text, y, kind, most = 21) {
      const short = text.length > most ? text.slice(0, most - 1) + '\u2026' : text;
      this.body.append(make('text', { x: 10, y, class: kind || 'soft' }, short));
    }
    span(s) { return clock(s.from, 0.001) + ' to ' + clock(s.until, 0.001); }
    // faults get a row each while they overlap, and a tint over everything.
    faults() {
      const rows = [];
      const all = list(this.data.faults).map((f) => ({ ...f, until: f.until === null ? this.end : f.until }));
      for (const f of all) {
        const undoing = f.until <= f.from && f.receipt === 'nothing';
        if (undoing) continue;
        if (this.x(f.until) < gutter || this.x(f.from) > this.width() - right) continue;
        const room = Math.max(f.until, f.from + 160 / this.scale());
        let row = rows.findIndex((free) => free <= f.from);
        if (row < 0) { if (rows.length === 8) row = 7; else row = rows.push(0) - 1; }
        rows[row] = room;
        this.box(f, this.y + row * 19, 16, 'var(--fault)', f.text + (f.receipt === 'nothing' ? '' : '  (' + f.receipt + ')'),
          [f.text, this.span(f), 'hit: ' + f.receipt, 'step ' + f.step]);
      }
      if (rows.length) this.label('faults', this.y + 12, 'name');
      this.y += rows.length * 19;
      let last = -100;
      for (const s of list(this.data.steps)) {
        const x = this.x(s.at);
        if (x < gutter || x > this.width() - right || x - last < 3) continue;
        last = x;
        const p = make('path', { d: 'M' + x + ' ' + (this.y + 2) + 'l4 8h-8z', fill: 'var(--soft)', tabindex: -1, role: 'img', 'aria-label': plain(s.text) });
        p.detail = [s.text, 'at ' + clock(s.at, 0.001), 'step ' + s.step].concat(s.status ? ['answer ' + s.status] : []);
        this.body.append(p);
      }
      this.label('steps', this.y + 10);
      this.y += 14;
    }
    machine(m) {
      const begin = this.y;
      this.label(m.name, this.y + 14, 'name', m.log ? 16 : 21);
      if (m.log) this.log(m, this.y + 14);
      for (const s of list(m.states)) {
        this.box(s, this.y + 2, 5, states[s.value] || 'var(--inconclusive)', '', [m.name + ' is ' + s.value, this.span(s)]);
      }
      this.y += list(m.role).length ? 9 : 18; // A role is as high as the name beside it; other rows have names of their own.
      const rows = [['role', list(m.role), 16], ['access', list(m.access), 14], ['address', list(m.addresses), 14]];
      if (!list(m.role).length) rows.push(['phase', list(m.phase), 14]);
      for (const [name, spans, height] of rows) {
        if (!spans.length) continue;
        if (name !== 'role') this.label(name, this.y + 11); 
        const lanes = [];
        for (const s of spans) {
          let lane = lanes.findIndex((free) => free <= s.from);
          if (lane < 0) { if (lanes.length === 4) lane = 3; else lane = lanes.push(0) - 1; }
          lanes[lane] = s.until;
          const phase = list(m.phase).filter((p) => p.from < s.until && p.until > s.from).slice(0, 6).map((p) => p.value);
          this.box(s, this.y + lane * (height + 1), height, colour(s.value), s.value,
            [m.name + ' ' + name + ' ' + s.value, this.span(s)].concat(s.scope ? ['of ' + s.scope] : [])
              .concat(name === 'role' && phase.length ? ['phases: ' + phase.join(', ')] : []));
        }
        this.y += Math.max(1, lanes.length) * (height + 1);
      }
      const down = list(m.states).filter((s) => s.value !== 'up');
      this.y = Math.max(this.y, begin + (down.length ? 26 : 18)); // Room for its name, and for why it is down.
      for (const s of down) {
        const x1 = Math.max(gutter, this.x(s.from)), x2 = Math.min(this.width() - right, this.x(s.until));
        if (x2 > x1) this.body.append(make('rect', { x: x1, y: begin + 8, width: x2 - x1, height: this.y - begin - 8, fill: 'var(--violation)', opacity: 0.09, 'pointer-events': 'none' }));
        if (x2 - x1 > 70) this.body.append(make('text', { x: x1 + 5, y: begin + 22, class: 'soft', 'pointer-events': 'none' }, s.value));
      }
      this.y += 7;
    }
    // log links what the machine's program wrote.
    log(m, y) {
      const label = 'log of ' + m.name, a = make('a', { href: m.log, tabindex: -1, 'aria-label': plain(label) });
      const text = make('text', { x: gutter - 12, y, 'text-anchor': 'end' }, 'log');
      a.detail = text.detail = [label, 'what its program wrote, and what befell it'];
      a.append(text);
      this.body.append(a);
    }
    // columns adds up the finest bins that cover the view, by a few pixels each.
    columns(g) {
      let of = g.density[0];
      for (const d of g.density) {
        const last = d.bins[d.bins.length - 1];
        if (last && d.from <= this.from && last.from + d.width >= this.until) of = d;
      }
      if (!of) return { columns: [], wide: 1, seconds: 1 };
      const wide = Math.max(3, of.width * this.scale());
      const columns = new Map();
      for (const b of of.bins) {
        if (b.from + of.width < this.from || b.from > this.until) continue;
        const n = Math.floor((b.from + of.width / 2 - this.from) * this.scale() / wide);
        const c = columns.get(n) || { n, ok: 0, failed: 0, unknown: 0, lost: 0 };
        for (const k in wrong) c[k] += b[k];
        columns.set(n, c);
      }
      return { columns: [...columns.values()], wide, seconds: wide / this.scale() };
    }
    peak(g) { return Math.max(1, ...this.columns(g).columns.map((c) => c.ok + c.failed + c.unknown)); }
    group(g, most) {
      const height = 46, { columns, wide, seconds } = this.columns(g);
      const base = this.y + height;
      this.label(g.group || 'single requests', this.y + 14, 'name');
      this.label(g.operations.ok + ' ok' + (g.operations.failed ? ', ' + g.operations.failed + ' failed' : ''), this.y + 28);
      this.label([[g.lost, ' lost'], [g.operations.unknown, ' unknown']].filter((p) => p[0]).map((p) => p.join('')).join(', '), this.y + 41);
      this.body.append(make('rect', { x: gutter, y: this.y, width: this.width() - right - gutter, height, fill: 'var(--lane)', rx: 2 }));
      const paths = { ok: '', lost: '', unknown: '', failed: '' };
      for (const c of columns) {
        const x = gutter + c.n * wide, from = Math.max(gutter, x), until = Math.min(this.width() - right, x + wide - (wide > 5 ? 1 : 0));
        if (until <= from) continue;
        let y = base;
        const parts = [['lost', Math.min(c.lost, c.ok)], ['ok', c.ok - Math.min(c.lost, c.ok)], ['unknown', c.unknown], ['failed', c.failed]];
        for (const [kind, n] of parts) {
          if (!n) continue;
          const h = Math.max(kind === 'ok' ? 1 : 3, n / most * (height - 3));
          y -= h;
          paths[kind] += 'M' + from.toFixed(1) + ' ' + y.toFixed(1) + 'h' + (until - from).toFixed(1) + 'v' + h.toFixed(1) + 'h' + (from - until).toFixed(1) + 'z';
        }
      }
      for (const kind in paths) if (paths[kind]) this.body.append(make('path', { d: paths[kind], fill: wrong[kind] }));
      const cover = make('rect', { x: gutter, y: this.y, width: this.width() - right - gutter, height, fill: 'transparent', tabindex: -1, role: 'img', 'aria-label': plain(g.group + ': ' + g.operations.ok + ' ok, ' + g.operations.failed + ' failed, ' + g.operations.unknown + ' unknown, ' + g.lost + ' lost') });
      cover.detail = [(g.group || 'single requests') + ': ' + g.operations.ok + ' ok, ' + g.operations.failed + ' failed, ' + g.operations.unknown + ' without an answer, ' + g.lost + ' of ' + g.acknowledged + ' acknowledged writes lost'];
      const by = new Map(columns.map((c) => [c.n, c]));
      cover.addEventListener('pointermove', (e) => {
        if (this.pinned) return;
        const at = e.clientX - this.svg.getBoundingClientRect().left - gutter, n = Math.floor(at / wide), c = by.get(n);
        const when = this.from + n * seconds;
        this.tell([(g.group || 'single requests') + ' around ' + clock(when, Math.min(seconds, 0.5)),
          c ? c.ok + ' ok, ' + c.failed + ' failed, ' + c.unknown + ' without an answer' + (c.lost ? ', ' + c.lost + ' acknowledged and later lost' : '') : 'no operation ended', 'in ' + seconds.toPrecision(2) + ' s']);
      });
      this.body.append(cover);
      this.y += height + 6;
    }
    // whole is a small bar of the whole play, with what is in view.
    whole() {
      const w = this.width() - right - gutter, x = (t) => gutter + t / this.end * w;
      this.label('whole play ' + clock(this.end, 60), this.y + 11);
      const add = (from, until, fill, opacity, h) => this.body.append(make('rect', { x: x(from), y: this.y + 8 - h / 2,
        width: Math.max(2, x(until) - x(from)), height: h, fill, opacity, rx: 2 }));
      add(0, this.end, 'var(--lane)', 1, 12);
      for (const f of list(this.data.faults).slice(0, 200)) if (f.until === null || f.until > f.from) add(f.from, f.until === null ? this.end : f.until, 'var(--fault)', 0.6, 4);
      if (this.data.marked) add(this.data.from, Math.max(this.data.until, this.data.from), 'var(--' + this.data.verdict + ', var(--violation))', 0.8, 12);
      const view = make('rect', { x: x(this.from), y: this.y + 1, width: Math.max(4, x(this.until) - x(this.from)), height: 14, fill: 'none', stroke: 'var(--ink)', 'stroke-width': 1.5, rx: 3 });
      this.body.append(view);
      this.y += 20;
    }
    mark(below, top, height) {
      const d = this.data;
      if (!d.marked) return;
      const c = 'var(--' + (/^[a-z]+$/.test(d.verdict) ? d.verdict : 'violation') + ')';
      const x = this.x(d.from), x1 = Math.max(gutter, x), x2 = Math.min(this.width() - right, this.x(d.until));
      if (x2 < gutter || x > this.width() - right) return;
      below.append(make('rect', { x: x1, y: 18, width: Math.max(2, x2 - x1), height: height - 42, fill: c, opacity: 0.13 }));
      if (x < gutter) return;
      top.append(make('line', { x1: x, x2: x, y1: 16, y2: height - 24, stroke: c, 'stroke-width': 2, 'pointer-events': 'none' }));
      const flag = make('path', { d: 'M' + x + ' 17l-6 -11h12z', fill: c, tabindex: -1, role: 'img', 'aria-label': plain(d.what) });
      flag.detail = [d.what, 'from ' + clock(d.from, 0.001) + ' to ' + clock(d.until, 0.001)];
      top.append(flag);
    }
  }

  // The figures of a case stand below the plot while it is pointed at.
  for (const figure of document.querySelectorAll('figure.along')) {
    const told = figure.querySelector('.told');
    const tell = (e) => {
      const at = e.target.closest('.case');
      if (at) told.textContent = at.getAttribute('aria-label');
    };
    figure.addEventListener('pointerover', tell);
    figure.addEventListener('focusin', tell);
    figure.addEventListener('keydown', (e) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (by && !e.ctrlKey && !e.metaKey && !e.altKey) step(figure, '.case', by, e);
    });
  }

  const plays = [...document.querySelectorAll('section.play')], links = [...document.querySelectorAll('nav a')];
  const pictures = new Map();
  function choose() {
    const wanted = plays.findIndex((p) => '#' + p.id === location.hash), n = Math.max(0, wanted);
    plays.forEach((p, i) => { p.style.display = i === n ? '' : 'none'; });
    links.forEach((l, i) => { if (i === n) l.setAttribute('aria-current', 'true'); else l.removeAttribute('aria-current'); });
    if (!plays[n]) return;
    if (!pictures.has(n)) {
      pictures.set(n, new Picture(document.getElementById('picture-' + n), JSON.parse(document.getElementById('data-' + n).textContent)));
    }
    pictures.get(n).draw();
    if (wanted >= 0) window.scrollTo(0, 0);
  }
  window.addEventListener('hashchange', () => { if (location.hash !== '#all') choose(); });
  choose();
})();
