// A message centre for one test: npm's `smpp` on a free port of the loopback interface.
//
// Prints its port and serves until standard input closes. Every message, put together from its parts, becomes a file of
// the directory `--into`.
"use strict";

const fs = require("fs");
const path = require("path");
const { parseArgs } = require("util");
const smpp = require("smpp");

const { values: options } = parseArgs({
  options: {
    into: { type: "string" },
    "system-id": { type: "string" },
    password: { type: "string" },
    // With which status every message is refused, or every one from this part on.
    refuse: { type: "string" },
    "refuse-from": { type: "string", default: "1" },
    // Whether the connection is torn in the middle of a message.
    leave: { type: "boolean", default: false },
    // Whether it asks if we are there before it answers.
    enquire: { type: "boolean", default: false },
    cert: { type: "string" },
    key: { type: "string" },
  },
});

let count = 0;
let submitted = 0;
const waiting = new Map();

function keep(message) {
  count += 1;
  const hidden = path.join(options.into, `.${count}`);
  fs.writeFileSync(hidden, JSON.stringify(message));
  fs.renameSync(hidden, path.join(options.into, `${count}.json`));
}

// The reference, number of parts and place among them that the header of a part tells (3GPP TS 23.040, 9.2.3.24.1).
function place(udh) {
  const element = (udh || []).find((element) => element[0] === 0 && element[1] === 3);
  return element ? { reference: element[2], total: element[3], at: element[4] } : null;
}

function take(pdu, bound) {
  const head = place(pdu.short_message.udh);
  const message = {
    from: pdu.source_addr,
    from_ton: pdu.source_addr_ton,
    from_npi: pdu.source_addr_npi,
    to: pdu.destination_addr,
    to_ton: pdu.dest_addr_ton,
    to_npi: pdu.dest_addr_npi,
    data_coding: pdu.data_coding,
    esm_class: pdu.esm_class,
    text: pdu.short_message.message,
    parts: 1,
    ...bound,
  };
  if (!head) {
    return keep(message);
  }
  const key = `${message.from}/${message.to}/${head.reference}/${head.total}`;
  const parts = waiting.get(key) || new Map();
  waiting.set(key, parts.set(head.at, message.text));
  if (parts.size === head.total) {
    waiting.delete(key);
    const places = [...parts.keys()].sort((a, b) => a - b);
    message.text = places.map((at) => parts.get(at)).join("");
    message.parts = head.total;
    keep(message);
  }
}

function serve(session) {
  let bound = null;
  session.on("error", (error) => console.error(error));
  session.on("bind_transmitter", (pdu) => {
    if (pdu.system_id !== options["system-id"] || pdu.password !== options.password) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      return;
    }
    bound = {
      system_id: pdu.system_id,
      system_type: pdu.system_type,
      interface_version: pdu.interface_version,
      tls: Boolean(options.cert),
    };
    session.send(pdu.response({ system_id: "peer" }));
  });
  session.on("submit_sm", (pdu) => {
    if (!bound) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVBNDSTS }));
      return;
    }
    submitted += 1;
    if (options.leave) {
      session.destroy();
      return;
    }
    const answer = () => {
      if (options.refuse && submitted >= Number(options["refuse-from"])) {
        session.send(pdu.response({ command_status: Number(options.refuse) }));
        return;
      }
      take(pdu, bound);
      session.send(pdu.response({ message_id: `peer-${submitted}` }));
    };
    options.enquire ? session.enquire_link(answer) : answer();
  });
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
}

const tls = options.cert
  ? { cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) }
  : {};
const server = smpp.createServer(tls, serve);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit());
process.stdin.resume();
