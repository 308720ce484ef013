// Talking to the server: reads, and an outbox that keeps decisions until they are saved.

const token = location.pathname.split("/")[1];
const MAX_BATCH = 200;
const MAX_PAUSE_MS = 8000;

export function thumbUrl(version, row) {
  return `thumb/${version}/${row}`;
}

export function pictureUrl(version, row) {
  return `picture/${version}/${row}`;
}

export async function get(path, query = {}) {
  const reply = await fetch(`${path}?${new URLSearchParams(query)}`);
  if (!reply.ok) throw new Error(await reply.text());
  return reply.json();
}

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Sends decisions in their order, one request at a time, again and again until each is kept.
export class Outbox {
  constructor({ version, since, onSaved, onRefused, onStatus }) {
    Object.assign(this, { version, since, onSaved, onRefused, onStatus });
    this.queue = [];
    this.inFlight = 0;
    this.batchSize = MAX_BATCH;
    addEventListener("pagehide", () => this.flushAtOnce());
    addEventListener("beforeunload", (event) => {
      if (this.isFailing) event.preventDefault();
    });
  }

  push(wishes) {
    this.queue.push(...wishes);
    this.onStatus(this.queue.length, this.isFailing);
    this.run();
  }

  async run() {
    if (this.isRunning) return;
    this.isRunning = true;
    let pause = 500;
    while (this.queue.length) {
      const batch = this.queue.slice(0, this.batchSize);
      this.inFlight = batch.length;
      const outcome = await this.send(batch);
      this.inFlight = 0;
      this.isFailing = outcome === "again";
      if (this.isFailing) {
        this.onStatus(this.queue.length, true);
        await new Promise((done) => setTimeout(done, pause));
        pause = Math.min(2 * pause, MAX_PAUSE_MS);
        continue;
      }
      pause = 500;
      this.onStatus(this.queue.length, false);
    }
    this.isRunning = false;
  }

  async send(batch) {
    let reply;
    try {
      reply = await this.post(batch);
    } catch {
      return "again";
    }
    if (reply.ok) {
      this.queue.splice(0, batch.length);
      this.batchSize = MAX_BATCH;
      this.onSaved(batch, await reply.json());
      return "done";
    }
    if (reply.status >= 500) return "again";
    if (batch.length > 1) {
      // One of them is refused: find out which.
      this.batchSize = 1;
      return "done";
    }
    this.queue.splice(0, 1);
    this.onRefused(batch[0], await reply.text());
    return "done";
  }

  post(batch) {
    return fetch("api/decide", {
      method: "POST",
      keepalive: true,
      headers: { "Content-Type": "application/json", "X-Review-Token": token },
      body: JSON.stringify({ version: this.version, since: this.since(), decisions: batch }),
    });
  }

  // The tab is closing or reloading: what is on its way arrives, the rest is sent along.
  flushAtOnce() {
    const rest = this.queue.slice(this.inFlight, this.inFlight + MAX_BATCH);
    if (rest.length) this.post(rest).catch(() => {});
  }
}
