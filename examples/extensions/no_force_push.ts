#!/usr/bin/env node
// A policy extension: no forced push, and a second pair of eyes on every other push.
//
// Palisade starts it in a sandbox of its own and asks over descriptor 3: four bytes of length, most
// significant first, then JSON. Each question has a number; its answer repeats it. What fails denies.
//
// Compile it to JavaScript (`tsc no_force_push.ts`), make the result executable and configure that.

import { Socket } from "node:net";

type Decision = "pass" | "allow" | "deny" | "require_review";
interface Call {
  tool: string;
  principal: string;
  args: { argv?: string[] };
}
interface Question {
  version: number;
  number: number;
  call: Call;
}

function decide(call: Call): [Decision, string | null] {
  const words: string[] = call.args.argv ?? [];
  if (words[0] !== "git" || !words.includes("push")) return ["pass", null];
  const forced = (word: string): boolean =>
    word === "-f" || word === "--force" || word.startsWith("--force-with-lease");
  if (words.some(forced)) return ["deny", "a forced push rewrites what others have"];
  return ["require_review", "a push leaves this machine"];
}

const peer = new Socket({ fd: 3, readable: true, writable: true });
let waiting: Buffer = Buffer.alloc(0);

peer.on("data", (piece: Buffer) => {
  waiting = Buffer.concat([waiting, piece]);
  while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUInt32BE(0)) {
    const end = 4 + waiting.readUInt32BE(0);
    const question: Question = JSON.parse(waiting.subarray(4, end).toString("utf8"));
    waiting = waiting.subarray(end);
    const [decision, reason] = decide(question.call);
    const answer = JSON.stringify({ version: 1, number: question.number, decision, reason });
    const message = Buffer.from(answer, "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(message.length, 0);
    peer.write(Buffer.concat([length, message]));
  }
});
peer.on("end", () => process.exit(0));
peer.resume();
