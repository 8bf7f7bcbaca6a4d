/**
 * Ends and removes what a demo leaves when it cannot do so itself: after SIGKILL, or when its
 * terminal is gone. The demo starts it first, with its two folders as arguments, and ends it last;
 * the end of its standard input means that the demo went away without that.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { realClock } from "../../../runtime/clock.ts";

const SWEEP_MS = 10_000;
const LOOK_MS = 100;
/** So long that no other program's arguments hold it by chance. */
const FOLDER_LENGTH_MIN = 12;

const { values, positionals: folders } = parseArgs({
  allowPositionals: true,
  // The first folder, state and logs, stays where it is.
  options: { keep: { type: "boolean", default: false } },
});
if (folders.some((folder) => folder.length < FOLDER_LENGTH_MIN)) process.exit(2);
// A terminal that is gone tells everybody; this one is to stay a little longer.
process.on("SIGHUP", () => {});
process.stdin.on("end", () => void sweep());
process.stdin.on("error", () => void sweep());
process.stdin.resume();

/** Programs and guests of a site that nobody will look at again: nothing needs an orderly end. */
async function sweep(): Promise<void> {
  const untilMs = realClock.nowMs() + SWEEP_MS;
  for (let left = theirs(); left.length > 0; left = theirs()) {
    for (const pid of left) end(pid);
    if (realClock.nowMs() > untilMs) break;
    await realClock.sleep(LOOK_MS);
  }
  const unwanted = values.keep ? folders.slice(1) : folders;
  for (const folder of unwanted) rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

/** Our programs and their guests with one of the folders in their arguments; no pager on a log. */
function theirs(): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((entry) => isTheirs(argumentsOf(entry)))
    .map(Number);
}

function isTheirs(args: string): boolean {
  const ours = args.includes("/main.ts\0") || args.includes("qemu");
  return ours && folders.some((folder) => args.includes(`${folder}/`));
}

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
