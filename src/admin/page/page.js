// What the admin endpoint's page does: reads /v1/events, shows it, and sends commands after a confirmation.
// The token goes in a header only. Whatever brokers and clients call themselves is put in as text, never as markup.

const byId = (id) => document.getElementById(id);
const HISTORY = 300; // seconds that the chart shows
const RATE_OVER = 10; // seconds over which rates and latencies are taken
const SILENCE = 10_000; // ms without a picture, after which a connection is no more
const SLOW_EVERY = 10_000; // ms between two readings of what is no part of the stream
const BREAKS_EVERY = 60_000; // ms between two readings of whom an upgrade would break: clients change slowly, and there may be thousands
const BREAKS_SHOWN = 100; // clients of it that are shown; more are named by leeward clients

let token = sessionStorage.getItem("leeward-token");
let cluster = null; // the last reading of the cluster
let latest = null; // the last snapshot
let past = []; // snapshots of the last seconds, the oldest first
let points = []; // the chart: {absorbed, held, reached} for each second
let known = null; // what was said about states before, to tell what has changed
let author = "";

// ---- small tools ----

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tone(element, value) {
  if (element.dataset.tone !== value) element.dataset.tone = value;
}

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Keeps one child for each item, by key, so that a button keeps its focus while figures change around it.
function keyed(parent, items, keyOf, create, update) {
  const children = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = children.get(key);
    children.delete(key);
    if (!child) {
      child = create(item);
      child.dataset.key = key;
    }
    if (child !== before) parent.insertBefore(child, before);
    else before = before.nextElementSibling;
    update(child, item);
  }
  for (const gone of children.values()) {
    const hadFocus = gone.contains(document.activeElement);
    gone.remove();
    if (hadFocus) byId("brokers").focus();
  }
}

const count = (number) => Math.round(number).toLocaleString("en");
const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

function lasting(seconds) {
  if (seconds < 1) return "0s";
  const [d, h, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return [[d, "d"], [h, "h"], [m, "m"], [s, "s"]].filter(([n]) => n > 0).slice(0, 2).map(([n, unit]) => n + unit).join(" ");
}

function ago(at) {
  const seconds = (Date.parse(latest?.at ?? new Date()) - Date.parse(at)) / 1000;
  return seconds < 2 ? "just now" : `${lasting(seconds)} ago`;
}

function latency(seconds) {
  if (seconds === null) return "–";
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  return seconds < 1 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (number >= 1024 && unit < units.length - 1) { number /= 1024; unit += 1; }
  return `${unit ? number.toPrecision(3) : number.toFixed(0)} ${units[unit]}`;
}

// The quantile of a histogram: between the bounds of its bucket, evenly. Beyond the last bound there is nothing but that bound.
function quantile(buckets, bounds, share) {
  const all = buckets.reduce((sum, n) => sum + n, 0);
  if (!all) return null;
  let rest = all * share;
  for (const [index, n] of buckets.entries()) {
    if (n > 0 && rest <= n) {
      const from = index ? bounds[index - 1] : 0;
      return index < bounds.length ? from + (bounds[index] - from) * (rest / n) : from;
    }
    rest -= n;
  }
  return bounds.at(-1);
}

// ---- talking to the endpoint ----

function headers(more = {}) {
  return token ? { ...more, authorization: `Bearer ${token}` } : more;
}

class Unauthorized extends Error {}

async function refusal(answer) {
  const said = await answer.json().catch(() => ({ error: `the endpoint answered ${answer.status}`, hint: "" }));
  if (answer.status === 401) return new Unauthorized(said.error);
  return Object.assign(new Error(said.error), { status: answer.status, hint: said.hint, preflight: said.preflight });
}

async function ask(path) {
  const answer = await fetch(path, { headers: headers(), cache: "no-store", redirect: "error" });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

async function send(path, body) {
  const answer = await fetch(path, { method: "POST", headers: headers({ "content-type": "application/json" }), body: JSON.stringify(body), redirect: "error" });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

// One stream to its end. EventSource cannot send a token, so the events are taken apart here.
async function stream() {
  const control = new AbortController();
  let timer;
  const calm = () => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(), SILENCE);
  };
  calm();
  try {
    const answer = await fetch("/v1/events", { headers: headers(), cache: "no-store", redirect: "error", signal: control.signal });
    if (!answer.ok) throw await refusal(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      calm();
      rest += value;
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        take(rest.slice(0, end));
        rest = rest.slice(end + 2);
      }
    }
  } finally {
    clearTimeout(timer);
    control.abort();
  }
}

function take(text) {
  const name = /^event: (.*)$/m.exec(text)?.[1];
  const data = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? "null");
  if (name === "cluster") cluster = { ...data, cluster: data.cluster ?? cluster?.cluster };
  if (name === "snapshot") show(data);
}

async function follow() {
  for (let wait = 250; ; ) {
    try {
      await stream();
      wait = 250;
    } catch (error) {
      if (error instanceof Unauthorized) {
        await askForToken(token ? error.message : "");
        continue;
      }
      live("bad", error.status ? error.message : "no connection; trying again");
      if (error.status) trouble(`${error.message}. ${error.hint ?? ""}`);
      wait = Math.min(wait * 2, 5000);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function live(value, text) {
  tone(byId("live"), value);
  put(byId("live"), text);
}

function trouble(text) {
  byId("trouble").hidden = !text;
  put(byId("trouble"), text);
}

function askForToken(problem) {
  const dialog = byId("ask-token");
  token = null;
  sessionStorage.removeItem("leeward-token");
  byId("token-problem").hidden = !problem;
  put(byId("token-problem"), problem);
  live("wait", "waiting for a token");
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => {
    token = byId("token").value.trim() || null;
    if (token && byId("token-keep").checked) sessionStorage.setItem("leeward-token", token);
    byId("token").value = "";
    resolve();
  }, { once: true }));
}

// ---- what is shown ----

function show(snapshot) {
  latest = snapshot;
  past = [...past.filter((old) => old.status.started === snapshot.status.started), snapshot].slice(-RATE_OVER - 1);
  byId("main").hidden = false;
  trouble("");
  live("good", "live");
  const { status } = snapshot;
  put(byId("who"), `${status.cluster.cluster_id ?? "cluster not known yet"} · ${status.version} · up ${lasting(status.uptime_seconds)}${status.ready ? "" : " · not ready"}`);
  document.title = `${status.cluster.brokers.filter((broker) => !broker.reachable).length ? "! " : ""}Leeward`;
  figures(snapshot);
  windows(snapshot);
  tiles(snapshot);
  roll(snapshot.roll);
  chart(snapshot);
  apis(snapshot);
  tellChanges(snapshot);
}

function figures({ status, absorbed, reached }) {
  const { traffic } = status;
  put(byId("f-held"), traffic.held_requests ? `${count(traffic.held_requests)} (${bytes(traffic.held_bytes)})` : "0");
  tone(byId("f-held"), traffic.held_requests ? "warn" : "");
  put(byId("f-absorbed"), count(absorbed));
  put(byId("f-reached"), count(reached));
  tone(byId("f-reached"), reached ? "bad" : "");
  put(byId("f-sessions"), count(traffic.sessions));
  const [first, span] = [past[0], status.uptime_seconds - past[0].status.uptime_seconds];
  put(byId("f-rate"), span > 0 ? count((traffic.requests - first.status.traffic.requests) / span) : "–");
}

function windows({ maintenance }) {
  const { open, absorb, mode } = maintenance;
  const text = { always: "Errors are absorbed all the time; a window adds acks=all and producer ids.", windows: "Errors are absorbed inside windows only." }[absorb];
  byId("no-window").hidden = open.length > 0;
  put(byId("no-window"), `No window is open. ${text ?? ""}${mode === "watch" ? " guard.mode is watch: nothing is changed or held, only counted." : ""}`);
  keyed(byId("windows"), open, (window) => window.id, (window) => {
    const row = make("li");
    const close = make("button", "", `Close ${window.id}…`);
    close.type = "button";
    close.addEventListener("click", () => confirm({
      title: `Close the window ${window.id}?`, what: "Sessions go back to what clients asked for. What is held is brought to its end.", yes: "Close it",
      path: "/v1/maintenance/off", body: { id: window.id }, done: `window ${window.id} closed`,
    }));
    const pill = make("span", "pill", "open");
    pill.dataset.tone = "warn";
    row.append(pill, make("span", "grow"), close);
    return row;
  }, (row, window) => {
    const scope = [...window.topics, ...window.client_ids].join(", ");
    put(row.children[1], `${window.id}: ${window.reason}, by ${window.author} (${window.origin})${scope ? `, for ${scope}` : ""}; open for ${lasting(window.seconds_open)}, closes in ${lasting(window.seconds_left)}`);
  });
}

const TONES = { serving: "good", "catching up": "warn", draining: "warn", drained: "warn", undraining: "warn", down: "bad" };
const MARKS = { good: "●", warn: "◐", bad: "✕" };

function stateOf(broker, drain, picture) {
  if (!broker.reachable || !broker.listed) return "down";
  if (drain) return drain.phase;
  return picture?.state === "catching_up" ? "catching up" : "serving";
}

function tiles({ status, drains }) {
  const pictures = new Map((cluster?.cluster?.brokers ?? []).map((picture) => [picture.node_id, picture]));
  const drainOf = new Map(drains.map((drain) => [drain.broker, drain]));
  put(byId("cluster-line"), clusterLine());
  keyed(byId("tiles"), status.cluster.brokers, (broker) => broker.node_id, (broker) => {
    const tile = make("li", "tile");
    const head = make("div", "head");
    head.append(make("h3"), make("span", "pill"));
    const bar = make("progress");
    bar.setAttribute("aria-label", `How far the drain of broker ${broker.node_id} is`);
    const button = make("button");
    button.type = "button";
    button.addEventListener("click", () => confirm(drainOrBack(broker.node_id, button.dataset.does)));
    tile.append(head, make("p", "quiet"), make("p", ""), make("p", "quiet"), bar, button);
    return tile;
  }, (tile, broker) => {
    const [picture, drain] = [pictures.get(broker.node_id), drainOf.get(broker.node_id)];
    const state = stateOf(broker, drain, picture);
    const [head, where, load, drained, bar, button] = tile.children;
    tone(tile, TONES[state]);
    put(head.children[0], `Broker ${broker.node_id}`);
    tone(head.children[1], TONES[state]);
    put(head.children[1], `${MARKS[TONES[state]]} ${state}`);
    put(where, [broker.upstream, status.cluster.controller_id === broker.node_id && "controller", broker.rack && `rack ${broker.rack}`, picture?.release && picture.release.text !== "unknown" && `Kafka ${picture.release.text}`].filter(Boolean).join(" · "));
    put(load, picture ? `leads ${count(picture.leaders)} of ${plural(picture.replicas, "partition", "partitions")}${picture.out_of_sync ? `; not in sync with ${count(picture.out_of_sync)}` : ""}` : "");
    drained.hidden = !drain;
    put(drained, drain ? [drain.sentence, drain.problem].filter(Boolean).join(": ") : "");
    bar.hidden = !drain || !drain.of || drain.phase === "drained";
    if (drain?.of) bar.value = drain.moved / drain.of;
    const does = drain && drain.phase !== "undraining" ? "undrain" : "drain";
    button.dataset.does = does;
    put(button, does === "drain" ? `Drain broker ${broker.node_id}…` : `Bring broker ${broker.node_id} back…`);
  });
}

function clusterLine() {
  if (!cluster) return "the cluster is being read";
  if (cluster.problem) return `${cluster.problem} (${ago(cluster.at)})`;
  const { partitions, reassigning } = cluster.cluster;
  const bad = [[partitions.leaderless, "without a leader"], [partitions.below_min_isr, "below min.insync.replicas"], [partitions.under_replicated, "under-replicated"]].filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`);
  const moving = reassigning?.length ? `; ${plural(reassigning.length, "partition is", "partitions are")} being reassigned` : "";
  return `${plural(partitions.partitions, "partition", "partitions")}, ${bad.join(", ") || "all in sync"}${moving}; read ${ago(cluster.at)}`;
}

function drainOrBack(node, does) {
  if (does === "undrain") return {
    title: `Bring broker ${node} back?`, what: "The order of replicas that was saved before the drain is restored, and leaderships go back to it.", yes: "Bring it back",
    path: `/v1/brokers/${node}/undrain`, done: `broker ${node} is being brought back`,
  };
  return {
    title: `Drain broker ${node}?`, what: `Leaderships leave broker ${node}, and sessions go around it. The order of replicas is saved first; "bring back" restores it.`, yes: "Drain it",
    path: `/v1/brokers/${node}/drain`, canForce: true, done: `broker ${node} is being drained`,
  };
}

// Where the focus goes when what had it may be gone: a button to pause and one to go on take each other's place.
function standIn(element) {
  const isThere = (it) => it?.isConnected && it !== document.body && !it.hidden && it.checkVisibility();
  const of = /^(roll|reassign)-/.exec(element?.id ?? "")?.[1];
  return [element, ...(of ? [byId(`${of}-resume`), byId(`${of}-pause`)] : [])].find(isThere) ?? byId("brokers");
}

function pauses(of, state) {
  const [pause, resume] = [byId(`${of}-pause`), byId(`${of}-resume`)];
  const hadFocus = [pause, resume].find((button) => button === document.activeElement);
  pause.hidden = state !== "running";
  resume.hidden = !["paused", "stuck"].includes(state);
  if (hadFocus?.hidden) standIn(hadFocus).focus();
}

const ROLL_TONES = { running: "good", paused: "warn", stuck: "bad", ending: "warn", aborted: "bad", done: "good" };

function roll(now) {
  byId("roll").hidden = !now;
  if (!now) return;
  tone(byId("roll-state"), ROLL_TONES[now.state]);
  put(byId("roll-state"), now.state);
  const left = now.seconds_left ? `, about ${lasting(now.seconds_left)} left` : "";
  put(byId("roll-sentence"), `${now.id}: ${now.sentence}${left} (${now.reason}, by ${now.author})`);
  byId("roll-progress").value = now.fraction;
  const problem = [now.problem, now.hint, ...now.left].filter(Boolean).join(" · ");
  byId("roll-problem").hidden = !problem;
  put(byId("roll-problem"), problem);
  pauses("roll", now.state);
  keyed(byId("roll-legs"), now.brokers, (leg) => leg.broker, () => {
    const row = make("li");
    row.append(make("strong"), make("span", "pill"), make("span", "grow quiet"));
    return row;
  }, (row, leg) => {
    put(row.children[0], `Broker ${leg.broker}`);
    put(row.children[1], leg.step.replaceAll("_", " "));
    tone(row.children[1], leg.ended ? "good" : leg.begun ? "warn" : "wait");
    put(row.children[2], leg.took_seconds != null ? `took ${lasting(leg.took_seconds)}` : [leg.waits_for, leg.seconds_in_step != null && `for ${lasting(leg.seconds_in_step)}`].filter(Boolean).join(", "));
  });
}

const REASSIGN_TONES = { running: "good", paused: "warn", stuck: "bad", "rolling back": "warn", "rolled back": "good", done: "good" };

function reassign(now) {
  byId("reassign").hidden = !now;
  if (!now) return;
  tone(byId("reassign-state"), REASSIGN_TONES[now.state]);
  put(byId("reassign-state"), now.state);
  const left = now.seconds_left ? `, about ${lasting(now.seconds_left)} left` : "";
  put(byId("reassign-sentence"), `${now.id}: ${now.sentence}${left} (${now.reason}, by ${now.author})`);
  byId("reassign-progress").value = now.fraction;
  const p99 = now.produce_p99_ms == null ? "" : `; 99 of 100 Produce requests within ${latency(now.produce_p99_ms / 1e3)}${now.produce_p99_before_ms == null ? "" : `, before ${latency(now.produce_p99_before_ms / 1e3)}`}`;
  put(byId("reassign-speed"), now.ended ? `took ${lasting(now.seconds)}` : `${bytes(now.copied_bytes)} of ${bytes(now.bytes)} copied, at most ${bytes(now.throttle)}/s for each broker${p99}`);
  const problem = [now.problem, now.hint].filter(Boolean).join(" · ");
  byId("reassign-problem").hidden = !problem;
  put(byId("reassign-problem"), problem);
  pauses("reassign", now.state);
  const goesOn = now.topics.filter((leg) => leg.begun && !leg.ended);
  keyed(byId("reassign-legs"), goesOn.slice(0, 20), (leg) => leg.topic, () => {
    const row = make("li");
    row.append(make("strong"), make("span", "pill"), make("span", "grow quiet"));
    return row;
  }, (row, leg) => {
    put(row.children[0], leg.topic);
    put(row.children[1], leg.step.replaceAll("_", " "));
    tone(row.children[1], "warn");
    put(row.children[2], [plural(leg.partitions, "partition", "partitions"), `${bytes(leg.copied_bytes)} of ${bytes(leg.bytes)}`, leg.waits_for].filter(Boolean).join(", "));
  });
}

function chart(snapshot) {
  const before = past.at(-2);
  const seconds = before ? Math.max(snapshot.status.uptime_seconds - before.status.uptime_seconds, 0.5) : 1;
  points.push({
    absorbed: before ? Math.max(0, snapshot.absorbed - before.absorbed) / seconds : 0,
    reached: before ? Math.max(0, snapshot.reached - before.reached) / seconds : 0,
    held: snapshot.status.traffic.held_requests,
    seconds,
  });
  points = points.slice(-HISTORY);
  const most = Math.max(1, ...points.map((point) => Math.max(point.absorbed, point.reached, point.held)));
  const place = (index, value) => `${(HISTORY - points.length + index).toFixed(0)} ${(58 - (value / most) * 56).toFixed(1)}`;
  const line = (of) => points.map((point, index) => `${index ? "L" : "M"}${place(index, of(point))}`).join("");
  byId("c-absorbed").setAttribute("d", `${line((point) => point.absorbed)}V58H${HISTORY - points.length}Z`);
  // A line of zeros would only cover the others.
  const unlessNone = (of) => (points.some((point) => of(point) > 0) ? line(of) : "");
  byId("c-held").setAttribute("d", unlessNone((point) => point.held));
  byId("c-reached").setAttribute("d", unlessNone((point) => point.reached));
  const sum = (of) => points.reduce((all, point) => all + of(point) * point.seconds, 0);
  const span = points.reduce((all, point) => all + point.seconds, 0);
  const { episode } = snapshot;
  const lately = episode ? ` The last trouble (${episode.reason}, ${episode.ended ? `ended ${ago(episode.ended)}` : "goes on"}): ${count(episode.absorbed)} absorbed, ${count(episode.reached)} reached clients, longest hold ${latency(episode.longest_hold_seconds)}.` : "";
  put(byId("time-text"), `In the ${lasting(span)} that this page has seen: ${count(sum((point) => point.absorbed))} absorbed, ${count(sum((point) => point.reached))} reached clients, at most ${count(Math.max(...points.map((point) => point.held)))} held at once.${lately}`);
}

function apis(snapshot) {
  const span = snapshot.status.uptime_seconds - past[0].status.uptime_seconds;
  const old = new Map(past[0].apis.map((api) => [api.api, api]));
  const less = (now, before) => now.map((n, index) => n - (before?.[index] ?? 0));
  const rows = span <= 0 ? [] : snapshot.apis.map((api) => {
    const before = old.get(api.api);
    return {
      api: api.api,
      rate: (api.requests - (before?.requests ?? 0)) / span,
      moved: (api.request_bytes + api.response_bytes - (before?.request_bytes ?? 0) - (before?.response_bytes ?? 0)) / span,
      broker: less(api.broker_time, before?.broker_time),
      own: less(api.own_time, before?.own_time),
    };
  });
  byId("no-apis").hidden = snapshot.apis.length > 0;
  keyed(byId("apis"), rows, (row) => row.api, (row) => {
    const line = make("tr");
    const name = make("th", "", row.api);
    name.scope = "row";
    line.append(name, ...["", "", "", "wide", "wide"].map((className) => make("td", className)));
    return line;
  }, (line, row) => {
    const bounds = snapshot.bounds_seconds;
    const cells = [row.rate < 10 ? row.rate.toFixed(1) : count(row.rate), latency(quantile(row.broker, bounds, 0.5)), latency(quantile(row.broker, bounds, 0.99)), latency(quantile(row.own, bounds, 0.99)), bytes(row.moved)];
    cells.forEach((cell, index) => put(line.children[index + 1], cell));
  });
}

// One sentence for what has changed since the last second: read out, and left to be read.
function tellChanges({ status, drains, maintenance, roll: goesOn }) {
  const drainOf = new Map(drains.map((drain) => [drain.broker, drain]));
  const now = new Map(status.cluster.brokers.map((broker) => [`broker ${broker.node_id}`, stateOf(broker, drainOf.get(broker.node_id))]));
  now.set("maintenance windows open", String(maintenance.open.length));
  if (goesOn) now.set(`roll ${goesOn.id}`, goesOn.state);
  if (known) {
    const changed = [...now].filter(([what, state]) => known.get(what) !== state).map(([what, state]) => `${what}: ${state}`);
    if (changed.length) news(changed.join("; "));
  }
  known = now;
}

function news(text) {
  put(byId("news"), `${new Date().toLocaleTimeString()} ${text}`);
}

// ---- what is read now and then ----

async function slow() {
  if (!latest || document.hidden) return;
  const [report, preflight, audit, moves] = await Promise.allSettled([ask("/v1/report?episode=last"), ask("/v1/maintenance/preflight"), ask("/v1/audit?last=20"), ask("/v1/reassign")]);
  if (preflight.status === "fulfilled") findings(byId("findings"), preflight.value.findings);
  harmed(report.status === "fulfilled" ? report.value : null);
  if (audit.status === "fulfilled") trail(audit.value.entries);
  if (moves.status === "fulfilled") reassign(moves.value.reassignment);
  if (!breaksRead.turn || performance.now() - breaksRead.at > BREAKS_EVERY) breaks();
}

const LEVELS = { ok: "good", note: "wait", unknown: "warn", danger: "bad" };

function findings(list, found) {
  keyed(list, found, (finding) => finding.check, () => {
    const row = make("li");
    row.append(make("span", "pill"), make("strong"), make("span", "grow"));
    return row;
  }, (row, finding) => {
    tone(row.children[0], LEVELS[finding.level]);
    put(row.children[0], finding.level);
    put(row.children[1], finding.check.replaceAll("_", " "));
    put(row.children[2], finding.detail);
  });
}

function harmed(report) {
  const of = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);
  const clients = (report?.clients ?? []).filter((client) => of(client.reached_errors) > 0).slice(0, 20);
  keyed(byId("harmed"), clients, (client) => `${client.client_id} ${client.api}`, () => {
    const row = make("li");
    const pill = make("span", "pill", "saw errors");
    pill.dataset.tone = "bad";
    row.append(pill, make("span", "grow"));
    return row;
  }, (row, client) => {
    const errors = Object.entries(client.reached_errors).map(([name, n]) => `${name} ${count(n)} times`).join(", ");
    put(row.children[1], `${client.client_id || "(no client id)"}, ${client.api}: ${errors}, in "${report.episode.reason}"`);
  });
}

let breaksRead = { at: 0, turn: 0 };

// Whom brokers of the chosen release would break: what leeward clients --incompatible-with says.
async function breaks() {
  const release = byId("breaks-release").value;
  const turn = breaksRead.turn + 1;
  breaksRead = { at: performance.now(), turn };
  try {
    const found = await ask(`/v1/clients?incompatible_with=${encodeURIComponent(release)}&only_at_risk=true`);
    if (turn === breaksRead.turn) showBreaks(release, found);
  } catch (error) {
    if (turn !== breaksRead.turn) return;
    showBreaks(release, null);
    put(byId("breaks-line"), `Whom Kafka ${release} would break is not known: ${error.message}.`);
  }
}

const VERDICTS = { breaks: ["breaks", "bad"], cannot_tell: ["cannot tell", "warn"] };

function showBreaks(release, found) {
  const worst = Object.keys(VERDICTS);
  const clients = (found?.clients ?? []).toSorted((a, b) => worst.indexOf(a.judgement.verdict) - worst.indexOf(b.judgement.verdict));
  const broken = clients.filter((client) => client.judgement.verdict === "breaks").length;
  const more = clients.length > BREAKS_SHOWN ? ` The first ${BREAKS_SHOWN} are here, all of them in leeward clients --incompatible-with ${release}.` : "";
  const problem = found?.problem ? ` Note: ${found.problem}.` : "";
  if (found) put(byId("breaks-line"), `${count(broken)} would break with Kafka ${release}, ${count(clients.length - broken)} cannot be told, ${count(found.left_out)} fine; seen since ${found.since}.${more}${problem}`);
  keyed(byId("breaks"), clients.slice(0, BREAKS_SHOWN), (client) => JSON.stringify([client.client_id, client.software]), () => {
    const [row, text] = [make("li"), make("div", "grow")];
    text.append(make("p"), make("p"), make("p", "quiet"));
    row.append(make("span", "pill"), make("strong"), text);
    return row;
  }, (row, client) => {
    const { verdict, reasons, library } = client.judgement;
    const [pill, name, text] = row.children;
    const [why, what, where] = text.children;
    put(pill, VERDICTS[verdict][0]);
    tone(pill, VERDICTS[verdict][1]);
    put(name, client.client_id || "(no client id)");
    put(why, reasons.map((reason) => `${reason.text}; last seen ${lasting(reason.seen_seconds_ago)} ago.`).join(" "));
    what.hidden = verdict !== "breaks";
    const likely = library && `${library.name}${library.version ? ` ${library.version}` : ""}${library.inferred ? " (inferred)" : ""}`;
    put(what, library ? `${likely}: ${library.advice} (${library.source}).` : "Find it by its address, and use a library of 2019 or later, without a setting that pins an old version of Kafka.");
    const from = [["address", client.addresses], ["user", client.principals], ["group", client.groups]];
    const seen = client.connections ? plural(client.connections, "connection", "connections") : `last seen ${ago(client.last_seen)}`;
    put(where, [!library || verdict === "breaks" ? "" : likely, seen, ...from.filter(([, names]) => names.length).map(([kind, names]) => `${kind} ${names.join(", ")}`)].filter(Boolean).join("; "));
  });
}

function trail(entries) {
  const rows = entries.map((entry, index) => ({ ...entry, key: `${entry.at} ${entry.what} ${entry.who} ${index}` })).reverse();
  keyed(byId("audit"), rows, (entry) => entry.key, () => {
    const row = make("li");
    row.append(make("time", "quiet"), make("span", "grow"));
    return row;
  }, (row, entry) => {
    row.children[0].dateTime = entry.at;
    row.children[0].title = entry.at;
    put(row.children[0], ago(entry.at));
    put(row.children[1], `${entry.what}: ${entry.why || "no reason given"} (${entry.who}; ${entry.result})`);
  });
}

// ---- commands ----

let asked = null;

function confirm(what) {
  asked = { ...what, opener: document.activeElement };
  put(byId("c-title"), what.title);
  put(byId("c-what"), what.what);
  put(byId("c-yes"), what.yes);
  byId("c-problem").hidden = true;
  byId("c-reason").value = "";
  byId("c-for").value = "";
  byId("c-author").value = author;
  byId("c-for-label").hidden = !what.lasts;
  byId("c-force").checked = false;
  byId("c-force-label").hidden = true;
  findings(byId("c-findings"), []);
  byId("confirm").showModal();
  byId("c-reason").focus();
}

async function carryOut(event) {
  event.preventDefault();
  const what = asked;
  const reason = byId("c-reason").value.trim();
  author = byId("c-author").value.trim();
  const body = { ...what.body, reason, ...(author && { author }), ...(what.lasts && byId("c-for").value.trim() && { for: byId("c-for").value.trim() }), ...(byId("c-force").checked && { force: true }) };
  byId("c-yes").disabled = true;
  try {
    await send(what.path, body);
    byId("confirm").close();
    news(what.done);
    slow();
  } catch (error) {
    const text = error instanceof Unauthorized ? `${error.message}; load the page again to give another token` : `${error.message}; ${error.hint?.replaceAll("--force", "the box below") ?? "whether anything has changed the audit trail tells"}`;
    byId("c-problem").hidden = false;
    put(byId("c-problem"), text);
    if (error.preflight) findings(byId("c-findings"), error.preflight.findings.filter((finding) => finding.level !== "ok"));
    byId("c-force-label").hidden = !(error.status === 409 && what.canForce);
    byId("c-problem").scrollIntoView({ block: "nearest" });
  } finally {
    byId("c-yes").disabled = false;
  }
}

byId("confirm").querySelector("form").addEventListener("submit", carryOut);
byId("c-no").addEventListener("click", () => byId("confirm").close());
byId("confirm").addEventListener("close", () => {
  standIn(asked?.opener).focus();
});
byId("ask-token").addEventListener("cancel", (event) => event.preventDefault());
byId("open-window").addEventListener("click", () => confirm({
  title: "Open a maintenance window?", what: "Until it closes, brokers may be stopped: producers are raised to acks=all, and requests to brokers that are away are held.", yes: "Open it",
  path: "/v1/maintenance/on", lasts: true, canForce: true, done: "window opened",
}));
byId("roll-pause").addEventListener("click", () => confirm({
  title: "Pause the roll?", what: "The broker at hand is brought to its end; no further one begins.", yes: "Pause it", path: "/v1/roll/pause", done: "the roll is paused",
}));
byId("roll-resume").addEventListener("click", () => confirm({
  title: "Go on with the roll?", what: "It goes on where it stopped, and looks at the cluster first.", yes: "Go on", path: "/v1/roll/resume", done: "the roll goes on",
}));

byId("reassign-pause").addEventListener("click", () => confirm({
  title: "Pause the reassignment?", what: "Copies that are on their way come to their end; nothing more begins.", yes: "Pause it", path: "/v1/reassign/pause", done: "the reassignment is paused",
}));
byId("reassign-resume").addEventListener("click", () => confirm({
  title: "Go on with the reassignment?", what: "It goes on where it stopped, and looks at the cluster first.", yes: "Go on", path: "/v1/reassign/resume", done: "the reassignment goes on",
}));

byId("breaks-release").addEventListener("change", () => {
  put(byId("breaks-line"), `Whom Kafka ${byId("breaks-release").value} would break is being looked at.`);
  breaks();
});

setInterval(slow, SLOW_EVERY);
document.addEventListener("visibilitychange", slow);
follow();
const first = setInterval(() => { if (latest) { clearInterval(first); slow(); } }, 200);
