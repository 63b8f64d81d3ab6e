"use strict";

// The page asks for debug/lightning once a second, and keeps what two minutes of charts need. Charts are drawn over
// time: where there was no answer, a line has a gap.
const everyMillis = 1000, giveUpMillis = 8000, gapMillis = 3500;
const windowMillis = 120000, histogramMillis = 60000;
const slowMillis = 100, maxSlow = 20;
const stalledShare = 0.05; // of the time, from which on it is worth a warning
const svgSpace = "http://www.w3.org/2000/svg";
const $ = id => document.getElementById(id);

// How figures are written.
const digits = n => {
  if (n === 0) return "0";
  return Math.abs(n) < 99.95 ? String(Number(n.toPrecision(3))) : String(Math.round(n));
};
const scaled = (n, step, units) => {
  let i = 0;
  for (; Math.abs(n) >= step && i < units.length - 1; i++) n /= step;
  return (i === 0 ? String(Math.round(n * 10) / 10) : digits(n)) + units[i];
};
const count = n => scaled(n, 1000, ["", " k", " M", " G", " T"]);
const perSecond = n => count(n) + "/s";
const bytes = n => scaled(n, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
const bytesPerSecond = n => bytes(n) + "/s";
const percent = share => digits(100 * share) + " %";
const nanos = n => {
  if (n < 1000) return digits(n) + " ns";
  if (n < 1e6) return digits(n / 1e3) + " µs";
  return n < 1e9 ? digits(n / 1e6) + " ms" : span(n / 1e9);
};
const span = s => s < 120 ? digits(s) + " s" : s < 7200 ? Math.round(s / 60) + " min" :
  s < 172800 ? digits(s / 3600) + " h" : Math.round(s / 86400) + " days";
const clock = at => new Date(at).toLocaleTimeString();
const when = at => Date.now() - Date.parse(at) < 43200000 ? clock(at) : new Date(at).toLocaleString();
const plural = (n, noun) => count(n) + " " + noun + (n === 1 ? "" : "s");

// Elements. An attribute style would be refused by the page's policy; classes and attributes of SVG are not.
function element(name, parent, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  parent.append(e);
  return e;
}
function graphic(name, parent, attributes, text) {
  const e = document.createElementNS(svgSpace, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  parent.append(e);
  return e;
}

// bar draws a share of the whole, from 0 to 1.
function bar(parent, share, warn) {
  const svg = graphic("svg", parent, { "aria-hidden": "true" });
  graphic("rect", svg, { class: "track", width: "100%", height: "100%", rx: 3 });
  graphic("rect", svg, { class: warn ? "fill warn" : "fill", height: "100%", rx: 3,
    width: 100 * Math.min(1, Math.max(0, share)) + "%" });
}

// between is the buckets of a latency that were counted between two answers, the fastest first: their end in
// nanoseconds, and how many. Before a database was asked nothing was counted.
function between(now, before) {
  const had = new Map(((before && before.Buckets) || []).map(b => [b.UpTo, b.Count]));
  return ((now && now.Buckets) || []).map(b => [b.UpTo, b.Count - (had.get(b.UpTo) || 0)]).filter(b => b[1] > 0);
}
const sum = buckets => buckets.reduce((all, b) => all + b[1], 0);
function quantile(buckets, part) {
  let left = sum(buckets) * part;
  for (const [upTo, n] of buckets) {
    left -= n;
    if (left <= 1e-9) return upTo;
  }
  return null;
}

// The values that are drawn: each is a function of the metrics now and before, and of the seconds between.
const rate = get => (now, before, s) => Math.max(0, get(now) - get(before)) / s;
const late = (what, part) => (now, before) => quantile(between(now.Latency[what], before.Latency[what]), part);
const is = get => now => get(now);
const values = {
  commits: rate(m => m.Commits), operations: rate(m => m.Operations), reads: rate(m => m.Latency.Get.Count),
  stalled: (now, before, s) => Math.min(1, rate(m => m.Stall.Duration / 1e9)(now, before, s)),
};

// The scales: the top of the axis for a greatest value, and the values that have a line of the grid.
const nice = (top, base, steps) => {
  if (!(top > 0)) return null;
  const unit = base ** Math.floor(Math.log(top) / Math.log(base) + 1e-9);
  return (steps.find(s => s * unit >= top * 0.999) || base) * unit;
};
const linear = (base, steps, least) => (low, high) => {
  const top = nice(Math.max(high, least), base, steps);
  return { ticks: [0, top / 2, top], place: v => v / top };
};
const decimal = linear(10, [1, 2, 4, 6, 8, 10], 2);
const binary = linear(1024, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024], 1024);
const share = (low, high) => linear(10, [1, 2, 4, 6, 8, 10], 0.02)(low, Math.min(high, 1));
const logarithmic = (low, high) => {
  const from = Math.floor(Math.log10(Math.max(low, 1))), to = Math.max(from + 1, Math.ceil(Math.log10(high) - 1e-9));
  const step = Math.ceil((to - from) / 4), ticks = [];
  for (let power = from; power <= to; power += step) ticks.push(10 ** power);
  return { ticks, place: v => (Math.log10(Math.max(v, 1)) - from) / (to - from) };
};

const charts = [
  ["Commits", perSecond, decimal, [["commits", values.commits], ["operations in them", values.operations]]],
  ["Latency of commits and syncs", nanos, logarithmic, [["commit p50", late("Commit", .5)],
    ["commit p99", late("Commit", .99)], ["sync p50", late("Sync", .5)], ["sync p99", late("Sync", .99)]]],
  ["Reads of a key", perSecond, decimal, [["reads, estimated", values.reads]]],
  ["Latency of reads", nanos, logarithmic, [["get p50", late("Get", .5)], ["get p99", late("Get", .99)]]],
  ["Stalls", percent, share, [["of the time, writers waited", values.stalled]]],
  ["Cache", bytes, binary, [["pages", is(m => m.Cache.UsedBytes)], ["rows", is(m => m.Cache.RowBytes)],
    ["limit of pages", is(m => m.Cache.LimitBytes)]]],
  ["Cache misses", perSecond, decimal, [["misses", rate(m => m.Cache.Misses)],
    ["evictions", rate(m => m.Cache.Evictions)]]],
  ["Log in use", bytes, binary, [["segments", is(m => m.Log.Bytes)]]],
  ["Written to disk", bytesPerSecond, binary, [["log", rate(m => m.Log.BytesWritten)],
    ["flush", rate(m => m.Flush.BytesWritten)], ["compaction", rate(m => m.Compaction.BytesWritten)]]],
  ["Disk", bytes, binary, [["all files", is(m => m.DiskBytes)], ["live", is(m => m.LiveBytes)],
    ["pinned by readers", is(m => m.PinnedBytes)]]],
  ["Memory", bytes, binary, [["used", is(m => m.MemoryUsed)], ["memtables", is(m => m.Memtable.HeldBytes)],
    ["limit", is(m => m.MemoryLimit)]]],
];

// Where the axes are within a chart, in pixels.
const left = 62, right = 10, above = 8, below = 20;

let pointed = null; // how long ago, in milliseconds, what the pointer is at was; null without one

class Chart {
  constructor([title, write, scale, lines]) {
    this.write = write;
    this.scale = scale;
    const section = element("section", $("charts"));
    const head = element("h3", section, title);
    this.at = element("span", head, "", "at");
    this.svg = graphic("svg", section, { class: "plot", role: "img", "aria-label": title });
    const legend = element("ul", section, undefined, "legend");
    this.lines = lines.map(([name, value], n) => {
      const item = element("li", legend);
      const key = graphic("svg", item, { viewBox: "0 0 16 6", "aria-hidden": "true" });
      graphic("path", key, { class: "line" + n, d: "M0 3H16" });
      item.append(name + " ");
      return { name, value, said: element("b", item, "–") };
    });
    this.points = []; // each is its time and the values of the lines
    this.svg.addEventListener("pointermove", e => this.point(e));
    this.svg.addEventListener("pointerleave", () => { pointed = null; drawAll(); });
  }

  add(at, now, before, seconds) {
    this.points.push([at, this.lines.map(line => line.value(now, before, seconds))]);
    while (this.points[0][0] < at - windowMillis - gapMillis) this.points.shift();
  }

  point(e) {
    const box = this.svg.getBoundingClientRect(), wide = box.width - left - right;
    const part = Math.min(1, Math.max(0, (e.clientX - box.left - left) / wide));
    pointed = (1 - part) * windowMillis;
    drawAll();
  }

  // shown is the point that the legend tells of: the newest, or the one that is pointed at, if there is any near.
  shown(end) {
    if (pointed === null || this.points.length === 0) return this.points[this.points.length - 1];
    const at = end - pointed, far = p => Math.abs(p[0] - at);
    const nearest = this.points.reduce((best, p) => far(p) < far(best) ? p : best);
    return far(nearest) <= gapMillis ? nearest : undefined;
  }

  draw(end) {
    const width = this.svg.clientWidth, height = this.svg.clientHeight;
    if (width === 0) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    const all = this.points.flatMap(p => p[1]).filter(v => v !== null);
    const axis = all.length > 0 ? this.scale(Math.min(...all), Math.max(...all)) : { ticks: [], place: () => 0 };
    const x = at => left + (width - left - right) * (1 - (end - at) / windowMillis);
    const y = v => height - below - (height - above - below) * axis.place(v);
    for (const tick of axis.ticks) {
      graphic("line", this.svg, { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) });
      graphic("text", this.svg, { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, this.write(tick));
    }
    graphic("line", this.svg, { class: "axis", x1: left, x2: width - right, y1: height - below, y2: height - below });
    for (const [part, anchor, text] of [[0, "start", "2 min ago"], [.5, "middle", "1 min"], [1, "end", "now"]]) {
      graphic("text", this.svg, { x: left + (width - left - right) * part, y: height - 5, "text-anchor": anchor }, text);
    }
    if (all.length === 0) {
      graphic("text", this.svg, { class: "nothing", x: left + (width - left - right) / 2, y: height / 2,
        "text-anchor": "middle" }, this.points.length > 0 ? "nothing in this time" : "waiting for two answers …");
    }
    this.lines.forEach((line, n) => graphic("path", this.svg, { class: "line" + n, d: this.path(n, x, y) }));
    this.tell(end, x, height);
  }

  // path is a line through the points within the window, with a gap where there was no answer, or no value.
  path(n, x, y) {
    let d = "", before = -Infinity;
    for (const [at, lines] of this.points) {
      if (x(at) < left || lines[n] === null) continue;
      d += (at - before > gapMillis ? "M" : "L") + x(at).toFixed(1) + " " + y(lines[n]).toFixed(1);
      if (at - before > gapMillis) d += "h.01"; // a dot, if it is alone
      before = at;
    }
    return d;
  }

  tell(end, x, height) {
    const shown = this.shown(end);
    this.lines.forEach((line, n) => {
      line.said.textContent = shown && shown[1][n] !== null ? this.write(shown[1][n]) : "–";
    });
    this.at.textContent = pointed !== null && shown ? clock(shown[0]) : "";
    if (pointed !== null) {
      const at = x(end - pointed);
      graphic("line", this.svg, { class: "pointer", x1: at, x2: at, y1: above, y2: height - below });
    }
  }
}

const drawn = charts.map(c => new Chart(c));
let end = Date.now(); // the right edge of the charts
function drawAll() {
  for (const chart of drawn) chart.draw(end);
}
new ResizeObserver(() => { drawAll(); drawHistograms(); }).observe($("charts"));

// The histograms have a bar for each power of two, and show what has come in the last minute.
const kinds = [["Commit", "Commits"], ["Sync", "Syncs of the log"], ["Get", "Reads of a key"],
  ["Scan", "Steps of scans"], ["Flush", "Flushes"], ["Compaction", "Compactions"]];
const histograms = kinds.map(([kind, title]) => {
  const section = element("section", $("histograms"));
  element("h3", section, title);
  return { kind, svg: graphic("svg", section, { class: "plot", role: "img", "aria-label": "Latency: " + title }),
    said: element("p", section, "", "note") };
});
const past = []; // the latencies of the last minute, the oldest first: their time and Metrics.Latency

function drawHistograms() {
  if (past.length < 2) return;
  for (const { kind, svg, said } of histograms) {
    const buckets = between(past[past.length - 1][1][kind], past[0][1][kind]);
    const powers = new Map();
    for (const [upTo, n] of buckets) {
      const power = Math.floor(Math.log2(Math.max(1, upTo)));
      powers.set(power, (powers.get(power) || 0) + n);
    }
    const q = part => nanos(quantile(buckets, part));
    said.textContent = buckets.length === 0 ? "" :
      `${count(sum(buckets))}: p50 ${q(.5)}, p99 ${q(.99)}, p99.9 ${q(.999)}, at most ${q(1)}`;
    drawBars(svg, powers);
  }
}

function drawBars(svg, powers) {
  const width = svg.clientWidth, height = svg.clientHeight;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const bottom = height - below;
  graphic("line", svg, { class: "axis", x1: left, x2: width - right, y1: bottom, y2: bottom });
  if (powers.size === 0) {
    graphic("text", svg, { class: "nothing", x: width / 2, y: height / 2, "text-anchor": "middle" },
      "none in this time");
    return;
  }
  const seen = [...powers.keys()], first = Math.min(...seen) - 1, last = Math.max(...seen) + 1;
  const one = (width - left - right) / (last - first + 1), axis = decimal(0, Math.max(...powers.values()));
  const y = n => bottom - (bottom - above) * axis.place(n);
  for (const tick of axis.ticks) {
    graphic("line", svg, { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) });
    graphic("text", svg, { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, count(tick));
  }
  const every = Math.ceil(58 / one); // so that the texts do not touch
  for (let power = first; power <= last; power++) {
    const x = left + (power - first) * one, n = powers.get(power) || 0;
    if (n > 0) {
      const high = Math.max(1, bottom - y(n)); // what is there is seen
      const b = graphic("rect", svg, { class: "bar", x: x + 1, width: Math.max(1, one - 2), y: bottom - high, height: high });
      graphic("title", b, {}, `${count(n)} up to ${nanos(2 ** (power + 1))}`);
    }
    if ((power - first) % every === 0 && x <= width - right - 30) {
      graphic("text", svg, { x, y: height - 5, "text-anchor": "middle" }, nanos(2 ** power));
    }
  }
}

// table fills a table with a row of names and rows of cells. A cell is a text, or a function that fills its element;
// columns whose name begins with "#" are of numbers.
function table(id, names, rows, none) {
  const t = $(id);
  t.replaceChildren();
  if (rows.length === 0) {
    element("td", element("tr", t), none, "none");
    return;
  }
  if (names.some(n => n !== "" && n !== "#")) {
    const head = element("tr", t);
    for (const n of names) element("th", head, n.replace("#", ""), n[0] === "#" ? "number" : "").scope = "col";
  }
  for (const row of rows) {
    const tr = element("tr", t);
    row.forEach((cell, i) => {
      const td = element("td", tr, typeof cell === "function" ? "" : cell, names[i][0] === "#" ? "number" : "");
      if (typeof cell === "function") cell(td);
    });
  }
}

function levels(m) {
  const all = (m.Levels || []).filter(l => l.Tables > 0), most = Math.max(...all.map(l => l.Bytes));
  table("levels", ["level", "#tables", "#size", "#target", "#score", ""], all.map(l => [String(l.Level),
    count(l.Tables), bytes(l.Bytes), l.Target ? bytes(l.Target) : "–",
    td => { td.textContent = l.Score.toFixed(2); td.classList.toggle("warn", l.Score >= 1); },
    td => { td.className = "share"; bar(td, l.Bytes / most, l.Score >= 1); }]), "no tables yet");
}

// readers are not drawn again while they are the same ones, so that an open stack stays open; their ages go on.
let readersShown = "", ages = [];
function readers(m) {
  const all = m.Readers || [], open = m.Snapshots + m.Iterators;
  $("oldest").textContent = open === 0 ? "" : plural(m.Snapshots, "snapshot") + " and transactions, " +
    plural(m.Iterators, "cursor") + " and loops; the oldest is " + span(m.OldestReader / 1e9) + " old" +
    (m.PinnedFiles > 0 ? "; they hold " + bytes(m.PinnedBytes) + " of obsolete files" : "");
  const shown = all.map(r => r.Kind + r.Opened + r.Sequence + r.Stack).join() + (open > 0);
  if (shown !== readersShown) {
    readersShown = shown;
    ages = [];
    table("readers", ["kind", "#age", "#state", "opened by"], all.map(r => [r.Kind, td => ages.push(td),
      String(r.Sequence), td => {
        const lines = (r.Stack || "").split("\n").filter(Boolean);
        if (lines.length === 0) td.textContent = "–";
        else {
          const details = element("details", td);
          element("summary", details, lines[0]);
          element("pre", details, lines.join("\n"));
        }
      }]), open > 0 ? "With Options.TraceReaders they are listed, with the lines of the program that opened them."
      : "none");
  }
  all.forEach((r, i) => { ages[i].textContent = span(r.Age / 1e9); });
}

function work(w, waits) {
  const state = w.Running > 0 ? (w.Total > 0 ? percent(w.Done / w.Total) + " of " + bytes(w.Total) : "running")
    : waits ? "due when the burst of writes ends" : "idle";
  return [state, count(w.Count), bytes(w.BytesWritten), span(w.Duration / 1e9)];
}

function lists(m) {
  levels(m);
  readers(m);
  const x = m.Transactions;
  table("locks", ["", "#"], [["oldest lock, held for", x.OldestLock ? span(x.OldestLock / 1e9) : "none is held"],
    ["waiting for a lock at present", count(x.Waiting)], ["waits so far", count(x.LockWaits)],
    ["conflicts so far", count(x.Conflicts)], ["deadlocks so far", count(x.Deadlocks)],
    ["timeouts so far", count(x.Timeouts)]], "");
  slowOperations(m.Events || {});
  table("slow", ["at", "what", "#how many", "#slowest"], slow, "none");
  table("work", ["", "now", "#done", "#written", "#took"], [["flush", ...work(m.Flush, false)],
    ["compaction", ...work(m.Compaction, m.CompactionWaits)]], "");
}

// The parts of a slow operation, as people call them. What is in none of them was computing, or waiting for a processor.
const parts = [["Space", "space"], ["Room", "flush or compaction"], ["Lock", "locks"], ["Queue", "other commits"],
  ["Log", "log"], ["Sync", "sync"], ["Read", "files"]];
function whereItWent(e) {
  const known = parts.map(([part, name]) => [name, e.Parts[part] || 0]).filter(p => p[1] > 0);
  const rest = e.Duration - known.reduce((all, p) => all + p[1], 0);
  if (rest > e.Duration / 100) known.push(["computing", rest]);
  return known.sort((a, b) => b[1] - a[1]).map(([name, took]) => name + " " + nanos(took)).join(", ");
}

// keyText is a key as text, with what is no text in hexadecimal. It comes only if the program tells keys.
function keyText(base64) {
  const key = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  return Array.from(key, b => b >= 0x20 && b < 0x7f && b !== 0x5c ? String.fromCharCode(b) :
    "\\x" + b.toString(16).padStart(2, "0")).join("");
}

function slowOperations(events) {
  const told = (events.Recent || []).toReversed(), keys = told.some(e => e.Key);
  $("told").textContent = events.Slow > told.length ? plural(events.Slow, "operation") + " so far; the newest are" : "";
  table("operations", ["at", "what", "#took", "where its time went", ...keys ? ["key"] : []], told.map(e => [
    when(e.At), e.Operation, nanos(e.Duration), whereItWent(e), ...keys ? [e.Key ? keyText(e.Key) : "–"] : []]),
    "None was told of: Options.Events.SlowOperation says from how long on one is.");
}

const slow = [];
function noteSlow(now, before, at) {
  for (const kind of ["Commit", "Sync", "Get", "Scan"]) { // flushes and compactions mostly take as long
    const long = between(now.Latency[kind], before.Latency[kind]).filter(b => b[0] >= slowMillis * 1e6);
    if (long.length === 0) continue;
    slow.unshift([clock(at), kind.toLowerCase(), count(sum(long)), nanos(long[long.length - 1][0])]);
  }
  slow.length = Math.min(slow.length, maxSlow);
}

// The tiles are the figures that say at a glance how it is. Each is a label, a value, a line below it, how much of a
// limit that is, and "warn" or "bad".
function tiles(m, rates) {
  const known = (value, write) => rates && rates[value] !== null ? write(rates[value]) : "–";
  const disk = m.Disk.Limit || 0, x = m.Transactions, open = m.Snapshots + m.Iterators;
  const all = [
    ["Commits", known("commits", perSecond), known("operations", perSecond) + " operations"],
    ["Reads", known("reads", perSecond), "p99 " + known("readP99", nanos)],
    ["Commit p99", known("commitP99", nanos), "p50 " + known("commitP50", nanos)],
    ["Stalled", known("stalled", percent), m.Stall.Count === 0 ? "never so far" : "latest: " + m.Stall.Cause, ,
      rates && rates.stalled >= stalledShare ? "warn" : ""],
    ["Disk", bytes(m.DiskBytes), disk ? "of " + bytes(disk) : bytes(m.LiveBytes) + " live", disk && m.DiskBytes / disk,
      m.Disk.Refusing ? "bad" : ""],
    ["Memory", bytes(m.MemoryUsed), "of " + bytes(m.MemoryLimit), m.MemoryLimit && m.MemoryUsed / m.MemoryLimit],
    ["Oldest reader", open > 0 ? span(m.OldestReader / 1e9) : "none", open > 0 ? open + " open" : ""],
    ["Oldest lock", x.OldestLock ? span(x.OldestLock / 1e9) : "none", x.Waiting ? x.Waiting + " waiting" : ""],
  ];
  $("tiles").replaceChildren();
  for (const [label, value, more, share, level] of all) {
    const tile = element("div", $("tiles"), undefined, "tile " + (level || ""));
    element("div", tile, label, "label");
    element("div", tile, value, "value");
    element("div", tile, more, "more");
    if (share) bar(tile, share, share > .9 && label === "Disk");
  }
}

function ratesOf(m, before, seconds) {
  const rates = {};
  for (const [name, value] of Object.entries(values)) rates[name] = value(m, before, seconds);
  rates.readP99 = late("Get", .99)(m, before);
  rates.commitP50 = late("Commit", .5)(m, before);
  rates.commitP99 = late("Commit", .99)(m, before);
  return rates;
}

// verdict says in a word how it is, and why: each reason has a title and a text. The worst is first.
function verdict(state, rates) {
  const m = state.metrics, found = m.Scrub.Found || [], all = [];
  const add = (level, word, title, text) => all.push({ level, word, title, text });
  const error = state.background_error;
  if (error.includes("ErrClosed")) add("bad", "closed", "The database is closed", "It tells what it did, no more.");
  else if (error.includes("ErrNoSpace")) add("bad", "no space", "There is no space left", error);
  else if (error) add("bad", "error", "Writes have stopped, or background work is held up", error);
  if (m.Disk.Refusing) add("bad", "refusing writes", "Writes that add anything are refused, or wait", m.Disk.Refusing);
  if (m.Scrub.Damaged > 0) {
    add("bad", "damaged", "Damage in " + plural(m.Scrub.Damaged, "table"),
      found.map(f => f.File + " (found " + new Date(f.At).toLocaleString() + "): " + f.Damage).join("; "));
  }
  if (state.ready && !state.ready.ok && !error) add("bad", "not ready", "It is not ready", state.ready.reason);
  if (rates && rates.stalled >= stalledShare) {
    add("warn", "stalled", "Writers wait for flushes and compactions",
      "The latest cause: " + m.Stall.Cause);
  }
  return all;
}

function tell(reasons, good) {
  const worst = reasons[0] || { level: "good", word: good };
  $("verdict").textContent = worst.word;
  $("verdict").className = "pill " + worst.level;
  document.title = worst.word + " – Lightning DB";
  const said = reasons.map(r => r.level + r.title + r.text).join();
  if ($("alerts").dataset.said === said) return; // or it would be read aloud every second
  $("alerts").dataset.said = said;
  $("alerts").replaceChildren();
  for (const { level, title, text } of reasons) {
    const p = element("p", $("alerts"), undefined, level);
    element("b", p, title);
    p.append(text);
  }
}

function health(id, title, h) {
  const p = $(id);
  p.className = h && !h.ok ? "bad" : "";
  if (!h) p.textContent = title + ": nobody has asked yet";
  else p.textContent = title + ": " + (h.ok ? "yes (" + h.proof + ")" : "no: " + h.reason) +
    (h.warning ? "; " + h.warning : "") + ", at " + clock(h.at);
}

function job(id, j) {
  const section = $(id);
  section.hidden = !j;
  if (!j) return;
  const meter = section.querySelector("progress"), said = section.querySelector(".said");
  section.querySelector("button").disabled = j.running;
  meter.hidden = !j.running;
  meter.max = Math.max(1, j.total_bytes);
  meter.value = j.done_bytes;
  meter.textContent = bytes(j.done_bytes);
  said.className = "said " + (j.running || !j.ended ? "" : j.ok ? "good" : "bad");
  if (j.running) said.textContent = bytes(j.done_bytes) + " of " + bytes(j.total_bytes);
  else if (j.ended) said.textContent = (j.ok ? "done" : "failed: " + j.error) + ", at " + clock(j.ended);
}

for (const id of ["check", "backup"]) {
  const section = $(id);
  section.querySelector("button").addEventListener("click", async () => {
    const token = document.querySelector("meta[name=token]").content;
    try {
      const answer = await fetch(id, { method: "POST", headers: { "X-Lightning-Token": token } });
      if (!answer.ok) throw new Error(await answer.text());
    } catch (err) {
      section.querySelector(".said").textContent = String(err.message || err);
    }
  });
}

let last = null; // the answer before
function show(state) {
  const m = state.metrics, at = Date.parse(state.now);
  if (last && (state.began !== last.began || state.path !== last.path)) { // another process
    last = null;
    past.length = 0;
    for (const chart of drawn) chart.points.length = 0;
  }
  const seconds = last ? (at - Date.parse(last.now)) / 1000 : 0;
  let rates = null;
  if (seconds > 0) {
    rates = ratesOf(m, last.metrics, seconds);
    noteSlow(m, last.metrics, at);
    for (const chart of drawn) chart.add(at, m, last.metrics, seconds);
  }
  last = state;
  end = at;
  past.push([at, m.Latency]);
  while (past[0][0] < at - histogramMillis) past.shift();
  $("path").textContent = state.path || "in memory";
  $("status").textContent = `process ${state.pid} (${state.program}) · sequence number ${m.Sequence}` +
    (m.DurableSequence < m.Sequence ? `, durable up to ${m.DurableSequence}` : "") + ` · as of ${clock(at)}`;
  $("figures").className = "";
  tiles(m, rates);
  lists(m);
  health("alive", "Alive", state.alive);
  health("ready", "Ready", state.ready);
  job("check", state.check);
  job("backup", state.backup);
  tell(verdict(state, rates), "running");
  drawAll();
  drawHistograms();
}

// lost says that there is no answer, and since when, in place of what was said of the database.
function lost(why) {
  const since = last ? "What is below is of " + clock(last.now) + ". " : "";
  tell([{ level: "bad", word: "no answer", title: "No answer", text: why + " " + since + "Asking every second." }]);
  $("figures").className = "old";
}

// fetchState returns the newest state, or null after it has said why there is none.
async function fetchState() {
  try {
    const answer = await fetch("debug/lightning", { cache: "no-store", signal: AbortSignal.timeout(giveUpMillis) });
    if (answer.ok) return await answer.json();
    lost("The program says: " + (await answer.text()).trim() + ".");
  } catch (err) {
    if (err.name === "TimeoutError") lost("The program has not answered for " + giveUpMillis / 1000 + " s.");
    else if (err instanceof TypeError) lost("The program cannot be reached: it has ended, or the connection is cut.");
    else lost("What has answered is not this program: " + err.message + ".");
  }
  return null;
}

let asking = false;
async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  const state = await fetchState();
  asking = false;
  if (state) show(state);
}
setInterval(ask, everyMillis);
document.addEventListener("visibilitychange", ask);
ask();
