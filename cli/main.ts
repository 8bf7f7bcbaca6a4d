/** The `lifeboat` command's process; bin/lifeboat.mjs starts it with a Node that can. */
import { homedir } from "node:os";
import { realClock } from "../runtime/clock.ts";
import { startProgram } from "../runtime/program.ts";
import { realRandom } from "../runtime/random.ts";
import { runCommandLine } from "./program.ts";
import type { EndSignal } from "./world.ts";

/** A reader that went away, as `head` does, ends the command quietly. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

await runCommandLine(
  {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    colour: process.stdout.isTTY === true && !process.env["NO_COLOR"],
    clock: realClock,
    random: realRandom,
    site: {
      root: process.geteuid?.() === 0,
      home: homedir(),
      stateHome: process.env["XDG_STATE_HOME"],
    },
    env: process.env,
    startProgram,
    onSignal(task) {
      const signals: EndSignal[] = ["SIGINT", "SIGTERM"];
      const listeners = signals.map((name) => [name, () => task(name)] as const);
      for (const [name, listener] of listeners) process.on(name, listener);
      return () => {
        for (const [name, listener] of listeners) process.off(name, listener);
      };
    },
    exitWith(code) {
      process.exitCode = code;
    },
  },
  process.argv.slice(2),
);
