// Publish an event, wait for what becomes of it, check a webhook. Node 18 or later, no library.
//
//   LEASEWIRE_URL=http://127.0.0.1:8080 LEASEWIRE_KEY=lw_... node client.js publish < event.json
//   WEBHOOK_SECRET=whsec_... node client.js verify ID TIMESTAMP SIGNATURE < body
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");

const FINAL = ["applied", "observed", "superseded", "duplicate", "rejected", "failed", "expired"];
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// Sends the same again, with the same event id, when told to come later.
async function ask(method, path, body, waitS) {
  for (let i = 0; i < 10; i++) {
    const headers = {
      Authorization: `Bearer ${process.env.LEASEWIRE_KEY}`,
      "Content-Type": "application/cloudevents+json",
    };
    if (waitS) headers.Prefer = `wait=${waitS}`;
    const answer = await fetch(process.env.LEASEWIRE_URL + path, { method, headers, body });
    if (answer.ok) return answer.json();
    if (![429, 503].includes(answer.status)) throw new Error(await answer.text()); // a problem
    await sleep(Number(answer.headers.get("retry-after") || 5));
  }
  throw new Error("the gateway is busy: send the same event again later");
}

// Returns the event's state, final if it is known in time.
async function publish(event, withinS = 60) {
  const { receipts } = await ask("POST", "/v1/events", JSON.stringify(event), 5);
  let state = receipts[0].status;
  const until = Date.now() + withinS * 1000;
  while (!FINAL.includes(state) && Date.now() < until) {
    await sleep(0.5);
    state = (await ask("GET", receipts[0].status_url)).state;
  }
  return state;
}

// Whether a webhook is ours and of now. `body`: the raw bytes, before anything parsed them.
function verify(secret, id, timestamp, signature, body) {
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const hmac = crypto.createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body);
  const wanted = Buffer.from("v1," + hmac.digest("base64"));
  return signature.split(" ").some((each) => {
    const given = Buffer.from(each);
    return given.length === wanted.length && crypto.timingSafeEqual(given, wanted);
  });
}

module.exports = { publish, verify };

if (require.main === module) {
  const [command, ...rest] = process.argv.slice(2);
  const input = fs.readFileSync(0);
  if (command === "publish") {
    publish(JSON.parse(input)).then(console.log, (error) => {
      console.error(error.message);
      process.exitCode = 1;
    });
  } else if (!verify(process.env.WEBHOOK_SECRET, ...rest, input)) {
    console.error("the signature does not fit");
    process.exitCode = 1;
  }
}
