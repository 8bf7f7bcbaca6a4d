/** One thread of the bench false-alarms: plays the servers it is handed, one after the other. */
import { parentPort } from "node:worker_threads";
import { type Soak, soak } from "./soak.ts";

parentPort?.on("message", (asked: Soak) => parentPort?.postMessage(soak(asked)));
