// The live page: shows what GET /events sends once a second, and nothing that it sends is read as HTML.
"use strict";

const RATE_WINDOW = 10_000;
const RETRY = 5_000;
const GOOD = ["receiving", "empty"];
const BAD = ["refused", "failing", "settling"];

const byId = id => document.getElementById(id);

const page = {
  source: null,
  retry: null,
  status: null,
  samples: new Map(),
  selected: null,
  message: null,
  opener: null,
  control: "off",
  isAsking: false,
  dlq: { queue: null, timer: null },
};

// Texts.

const number = value => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
const rate = value => (value === null ? "–" : value >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1));

function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const time = text => (text ? new Date(text).toLocaleTimeString([], { hour12: false }) : "–");
const level = state => (GOOD.includes(state) ? "good" : BAD.includes(state) ? "bad" : "warn");

function nextTry(failure) {
  if (!failure.nextTryAt) return failure.state === "dead_letter" ? "in the DLQ" : failure.exhausted ? "to the DLQ" : "–";
  const seconds = (new Date(failure.nextTryAt) - Date.now()) / 1000;
  return seconds > 0 ? `in ${span(seconds)}` : time(failure.nextTryAt);
}

// Rates: the work of the last ten seconds.

function noteSample(queue, now) {
  const samples = page.samples.get(queue.queue) ?? [];
  const last = samples.at(-1);
  if (last && queue.totals.received < last.totals.received) samples.length = 0;
  samples.push({ now, totals: queue.totals });
  while (samples.length > 2 && now - samples[0].now > RATE_WINDOW) samples.shift();
  page.samples.set(queue.queue, samples);
}

function rateOf(queue, total) {
  const samples = page.samples.get(queue.queue) ?? [];
  if (samples.length < 2) return null;
  const [first, last] = [samples[0], samples.at(-1)];
  return (last.totals[total] - first.totals[total]) * 1000 / Math.max(1, last.now - first.now);
}

// Tables: rows are kept by their key, so that focus and selection last.

function setText(element, text, className = "") {
  if (element.textContent !== text) element.textContent = text;
  if (element.className !== className) element.className = className;
}

function showRows(table, items, keyOf, cellsOf, open) {
  const body = table.tBodies[0];
  const keys = new Set(items.map(keyOf));
  // Before others take their places: a row that is moved loses the focus.
  for (const row of [...body.rows].filter(row => !keys.has(row.dataset.key))) {
    leaveFocus(row, row.nextElementSibling ?? row.previousElementSibling);
    row.remove();
  }
  const rows = new Map([...body.rows].map(row => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    const row = rows.get(key) ?? newRow(key, open);
    const cells = cellsOf(item);
    while (row.cells.length < cells.length) row.insertCell();
    cells.forEach(([text, className], cell) => setText(row.cells[cell], text, className));
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
}

// Gives the focus of an element that goes to another, so that the keyboard keeps its place.
function leaveFocus(element, heir) {
  if (element.contains(document.activeElement)) heir?.focus({ preventScroll: true });
}

function newRow(key, open) {
  const row = document.createElement("tr");
  row.dataset.key = key;
  row.tabIndex = 0;
  row.addEventListener("click", () => open(key));
  row.addEventListener("keydown", event => {
    if (event.key === "Enter") open(key);
  });
  return row;
}

function showTable(name, items, keyOf, cellsOf, open) {
  byId(name).hidden = items.length === 0;
  byId(`${name}-none`).hidden = items.length > 0;
  showRows(byId(name), items, keyOf, cellsOf, open);
}

// The queues.

function queueCells(queue) {
  const counts = queue.queueMessages ?? {};
  const longest = queue.calls?.[0]?.seconds ?? queue.oldestRunningSeconds;
  return [
    [queue.queue, "id"],
    [queue.state, level(queue.state)],
    [`${number(queue.running)} / ${number(queue.concurrency)}`, "number"],
    [number(queue.waiting), "number"],
    [number(queue.settling), "number"],
    [rate(rateOf(queue, "received")), "number"],
    [rate(rateOf(queue, "done")), "number"],
    [rate(rateOf(queue, "failed")), rateOf(queue, "failed") > 0 ? "number bad" : "number"],
    [span(longest), "number"],
    [span(queue.oldestWaitingSeconds), "number"],
    [number(counts.visible), "number"],
    [number(counts.inFlight), "number"],
    [number(counts.delayed), "number"],
    [number(queue.dlqMessages), queue.dlqMessages > 0 ? "number bad" : "number"],
  ];
}

function select(name) {
  page.selected = name;
  setText(byId("control-answer"), "");
  showStatus();
  leaveDlq();
}

function selectedQueue() {
  const queues = page.status?.queues ?? [];
  return queues.find(queue => queue.queue === page.selected) ?? queues[0];
}

function callCells(call) {
  return [
    [call.messageId, "id"],
    [number(call.attempt), "number"],
    [span(call.seconds), "number"],
    [time(call.since), ""],
  ];
}

function failureCells(failure) {
  return [
    [failure.messageId, "id"],
    [number(failure.attempt), "number"],
    [failure.ending ?? failure.state, "bad"],
    [time(failure.endedAt), ""],
    [nextTry(failure), ""],
    [failure.reason ?? failure.steps.at(-1).step, "text"],
  ];
}

function showQueue(queue) {
  byId("queue").hidden = !queue;
  if (!queue) return;
  setText(byId("queue-title"), queue.queue);
  setText(byId("why"), queue.why, level(queue.state));
  showControl();
  showDlq(queue);
  showTable("calls", queue.calls ?? [], call => call.messageId, callCells, openMessage);
  const keyOf = failure => failure.messageId;
  const failures = (queue.failures ?? []).filter(
    (failure, index, all) => all.findIndex(other => keyOf(other) === keyOf(failure)) === index,
  );
  showTable("failures", failures, keyOf, failureCells, openMessage);
}

function showStatus() {
  const { version, draining, queues, opening } = page.status;
  const state = draining ? "stopping" : opening.length > 0 ? "starting" : "running";
  setText(byId("worker"), `${version} · ${state} · live`);
  document.title = `${state === "running" ? "" : `${state}: `}Longshore`;
  showRows(byId("queues"), queues, queue => queue.queue, queueCells, select);
  const selected = selectedQueue();
  for (const row of byId("queues").tBodies[0].rows) {
    row.setAttribute("aria-selected", String(row.dataset.key === selected?.queue));
  }
  const unopened = opening.map(({ queue, lastError }) => `${queue}: ${lastError ?? "not answered yet"}`);
  byId("opening").hidden = unopened.length === 0;
  setText(byId("opening"), `Not open yet: ${unopened.join("; ")}`, "warn");
  showQueue(selected);
}

// The events.

function connect() {
  clearTimeout(page.retry);
  if (page.source || document.hidden) return;
  page.source = new EventSource("events");
  // The worker that answers may be another one, with other settings.
  page.source.onopen = askForControl;
  page.source.onmessage = event => {
    page.status = JSON.parse(event.data);
    const now = performance.now();
    page.status.queues.forEach(queue => noteSample(queue, now));
    showStatus();
    refreshMessage();
  };
  page.source.onerror = () => {
    setText(byId("worker"), "not live: the worker is gone, or has as many viewers as it allows; trying again", "lost");
    document.title = "not live: Longshore";
    if (page.source?.readyState === EventSource.CLOSED) {
      disconnect();
      page.retry = setTimeout(connect, RETRY);
    }
  };
}

function disconnect() {
  page.source?.close();
  page.source = null;
}

// A hidden page asks for nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));

// Control, which most workers allow to nobody, or to this machine, or with a token.

async function askForControl() {
  try {
    page.control = (await (await fetch("control")).json()).control;
  } catch {
    page.control = "off";
  }
  showControl();
}

function showControl() {
  const queue = selectedQueue();
  byId("control").hidden = !queue || !["allowed", "token"].includes(page.control);
  byId("token-label").hidden = page.control !== "token";
  if (!queue) return;
  const isPaused = queue.paused.some(pause => pause.reason === "operator");
  const [shown, gone] = (isPaused ? ["resume", "pause"] : ["pause", "resume"]).map(byId);
  shown.hidden = false;
  leaveFocus(gone, shown);
  gone.hidden = true;
  const concurrency = byId("concurrency");
  if (document.activeElement !== concurrency && concurrency.value !== String(queue.concurrency)) {
    concurrency.value = queue.concurrency;
  }
}

// Sends a request about a queue, with the token if there is one; returns the answer, or an error as the worker words it.
async function ask(queue, path, body) {
  const headers = byId("token").value ? { Authorization: `Bearer ${byId("token").value}` } : {};
  const request = body === undefined
    ? { headers }
    : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  try {
    const answer = await fetch(`queues/${encodeURIComponent(queue)}/${path}`, request);
    const said = await answer.json();
    return answer.ok ? { said } : { error: said.error };
  } catch (error) {
    return { error: `No answer: ${error.message}` };
  }
}

async function order(verb, body) {
  const queue = selectedQueue().queue;
  const { error } = await ask(queue, verb, body);
  setText(byId("control-answer"), error ?? `${queue}: ${verb} is done`, error ? "bad" : "good");
}

byId("pause").addEventListener("click", () => order("pause", { reason: "on the live page" }));
byId("resume").addEventListener("click", () => order("resume", {}));
byId("control").addEventListener("submit", event => {
  event.preventDefault();
  // Not in the number, which follows the worker's unless somebody writes it.
  byId("scale").focus();
  order("scale", { concurrency: Number(byId("concurrency").value) });
});

// The DLQ, which is read and changed by buttons only, where control is allowed.

function showDlq(queue) {
  byId("dlq").hidden = byId("control").hidden || queue.dlqMessages === null || queue.dlqMessages === undefined;
}

// What is shown of one queue's DLQ is gone with its selection; its task goes on.
function leaveDlq() {
  clearTimeout(page.dlq.timer);
  page.dlq = { queue: selectedQueue()?.queue ?? null, timer: null };
  setText(byId("dlq-answer"), "");
  hideStop();
  showPeeked([]);
  if (page.control === "allowed" || byId("token").value) followDlq(page.dlq, false);
}

function hideStop() {
  leaveFocus(byId("dlq-stop"), byId("dlq-peek"));
  byId("dlq-stop").hidden = true;
}

async function dlqRequest(path, body, show) {
  const shown = page.dlq;
  const queue = (shown.queue ??= selectedQueue().queue);
  setText(byId("dlq-answer"), "…");
  const { said, error } = await ask(queue, `dlq/${path}`, body);
  if (shown !== page.dlq) return;
  setText(byId("dlq-answer"), error ?? "", error ? "bad" : "");
  if (!error) show(said);
}

const peek = () => dlqRequest("peek", {}, said => {
  // It is answered only when no task runs any more.
  clearTimeout(page.dlq.timer);
  hideStop();
  const late = said.unreleased ? `, ${said.unreleased} visible again within a minute` : "";
  setText(byId("dlq-answer"), `${said.dlq}: ${number(said.messages.length)} of about ${number(said.visible)}${late}`);
  showPeeked(said.messages);
});

const change = (path, body) => dlqRequest(path, body, () => followDlq(page.dlq, true));

// Shows the state of the DLQ's task once a second for as long as it runs; the worker asks SQS nothing for it.
async function followDlq(shown, isStarted) {
  clearTimeout(shown.timer);
  if (!shown.queue) return;
  const { said, error: unasked } = await ask(shown.queue, "dlq");
  if (shown !== page.dlq) return;
  if (unasked) return setText(byId("dlq-answer"), unasked, "bad");
  if (!said.latest || said.latest.task === "peek" || (said.latest.state !== "running" && !isStarted)) return;
  const { task, state, done, notDone, cameBack, error } = said.latest;
  const counts = [`${number(done)} ${task === "delete" ? "deleted" : "redriven"}`];
  if (notDone) counts.push(`${number(notDone)} not`);
  if (cameBack) counts.push(`${number(cameBack)} failed again`);
  if (state === "finished" && done + notDone === 0) counts.push("no such message is visible");
  const isRunning = state === "running";
  const words = { cameBack: "stopped, because what it sent fails again" }[state] ?? state;
  const isGood = isRunning || (state === "finished" && notDone + cameBack === 0);
  setText(byId("dlq-answer"), `${task} ${words}: ${counts.join(", ")}${error ? `: ${error}` : ""}`, isGood ? "" : "bad");
  if (!isRunning) return hideStop();
  byId("dlq-stop").hidden = false;
  shown.timer = setTimeout(() => followDlq(shown, true), 1000);
}

function showPeeked(messages) {
  byId("dlq-messages").hidden = messages.length === 0;
  byId("dlq-messages").tBodies[0].replaceChildren(...messages.map(peekedRow));
}

function peekedRow(message) {
  const row = document.createElement("tr");
  const rest = message.bodyBytes > new TextEncoder().encode(message.body).length ? `… (${number(message.bodyBytes)} bytes)` : "";
  const cells = [
    [message.id, "id"],
    [span(message.ageSeconds), "number"],
    [number(message.receives), "number"],
    [message.rejected?.reason ?? "–", "text"],
    [message.body + rest, "id body"],
  ];
  for (const [text, className] of cells) setText(row.insertCell(), text, className);
  const buttons = row.insertCell();
  buttons.append(
    dlqButton("Redrive", message.id, "Send this message back to its queue?", () => change("redrive", { ids: [message.id] }), row),
    " ",
    dlqButton("Delete", message.id, "Delete this message for good?", () => change("delete", { id: message.id }), row),
  );
  return row;
}

function dlqButton(verb, id, question, act, row) {
  const button = newElement("button", verb);
  button.type = "button";
  button.setAttribute("aria-label", `${verb} ${id}`);
  button.addEventListener("click", () => confirmed(`${question} ${id}`, verb, () => {
    leaveFocus(row, byId("dlq-peek"));
    row.remove();
    act();
  }));
  return button;
}

function confirmed(question, verb, act) {
  setText(byId("confirm-text"), question);
  setText(byId("confirm-yes"), verb);
  byId("confirm-yes").onclick = () => {
    byId("confirm").close();
    act();
  };
  byId("confirm").showModal();
}

byId("confirm-no").addEventListener("click", () => byId("confirm").close());
byId("dlq-peek").addEventListener("click", peek);
byId("dlq-stop").addEventListener("click", () => change("stop", {}));
byId("dlq-all").addEventListener("click", () => confirmed(
  `Send all messages of the DLQ back to ${selectedQueue().queue}? Ten a second at first, then ever faster; it stops by itself when one fails again.`,
  "Redrive all",
  () => {
    showPeeked([]);
    change("redrive", { all: true });
  },
));

// One message.

function openMessage(id) {
  page.opener = document.activeElement;
  if (id) location.hash = `message=${encodeURIComponent(id)}`;
}

function messageOfHash() {
  const match = /^#message=(.+)$/.exec(location.hash);
  try {
    page.message = match && { id: decodeURIComponent(match[1]), isOver: false };
  } catch {
    page.message = null;
  }
  byId("message").hidden = !page.message;
  if (!page.message) return;
  setText(byId("message-title"), page.message.id, "id");
  byId("message-id").value = page.message.id;
  byId("message").scrollIntoView({ block: "nearest" });
  refreshMessage();
}

async function refreshMessage() {
  const asked = page.message;
  if (!asked || asked.isOver || page.isAsking) return;
  page.isAsking = true;
  try {
    const answer = await fetch(`messages/${encodeURIComponent(asked.id)}`);
    const known = await answer.json();
    if (asked !== page.message) return;
    const isHeld = receive => ["waiting", "running", "settling"].includes(receive.state);
    asked.isOver = answer.ok && !known.receives.some(isHeld);
    byId("message-body").replaceChildren(...(answer.ok ? known.receives.map(receiveOf) : unknown(known)));
  } catch (error) {
    if (asked === page.message) byId("message-body").textContent = `No answer: ${error.message}`;
  } finally {
    page.isAsking = false;
  }
}

function newElement(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function receiveOf(receive) {
  const part = document.createElement("div");
  const steps = document.createElement("ol");
  for (const { at, step } of receive.steps) {
    const line = document.createElement("li");
    line.append(newElement("time", new Date(at).toLocaleString([], { hour12: false })), newElement("span", step));
    steps.append(line);
  }
  part.append(newElement("h3", `${receive.queue}, attempt ${receive.attempt}: ${receive.state.replace("_", " ")}`), steps);
  return part;
}

function unknown({ error, reach = [] }) {
  const lines = reach.map(
    ({ queue, doneSince, failedSince }) =>
      `${queue}: messages that were done since ${time(doneSince)}, that failed since ${time(failedSince)}.`,
  );
  return [newElement("p", `${error}. It knows, beside those it holds:`), ...lines.map(line => newElement("p", line))];
}

function closeMessage() {
  const isOpen = page.message !== null;
  if (isOpen) history.pushState(null, "", location.pathname);
  messageOfHash();
  if (!isOpen || !(page.opener instanceof HTMLTableRowElement)) return;
  page.opener.focus();
  page.opener.scrollIntoView({ block: "nearest" });
}

window.addEventListener("hashchange", messageOfHash);
byId("message-close").addEventListener("click", closeMessage);
byId("search").addEventListener("submit", event => {
  event.preventDefault();
  openMessage(byId("message-id").value.trim());
});

// The keyboard.

function moveFocus(step) {
  const rows = [...document.querySelectorAll("tbody tr[tabindex]")].filter(row => row.offsetParent);
  const at = rows.indexOf(document.activeElement);
  rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("confirm").open) return;
  const isTyping = event.target instanceof HTMLInputElement;
  if (event.key === "Escape") {
    if (isTyping) event.target.blur();
    closeMessage();
  } else if (isTyping) {
    return;
  } else if (event.key === "/") {
    event.preventDefault();
    byId("message-id").focus();
    byId("message-id").select();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    moveFocus(event.key === "ArrowDown" ? 1 : -1);
  }
});

messageOfHash();
connect();
