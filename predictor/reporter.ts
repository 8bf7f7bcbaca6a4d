/**
 * Says what a predictor makes of its readings, and takes back what holds no more. For agents and
 * NIC firmware alike; the ports are the shell's.
 * @module
 */
import type { Reliable } from "../protocol/message.ts";
import type { Config } from "./config.ts";
import type { Effect } from "./evidence.ts";
import type { State } from "./predictor.ts";
import { cut, type Reporter, reportOf } from "./report.ts";
import { kept, noted, openLedger, type Reported, risked, settled } from "./standing.ts";

export interface ReporterPorts extends Reporter {
  /** What stood when the last life ended. */
  readonly kept: Reported;
  readonly config: Config;
  /** Durable when it returns. */
  readonly keep: (reported: Reported) => void;
  /** Durable when it returns. */
  readonly report: (body: Reliable) => void;
}

export interface HealthReporter {
  /** An effect of the step that led to `state`. */
  take(effect: Effect, state: State): void;
  /** Now and then: whether anything holds no more. */
  look(state: State): void;
}

export function healthReporter(ports: ReporterPorts): HealthReporter {
  const { serverId, source, config, keep, report } = ports;
  let ledger = openLedger(ports.kept);
  return {
    take(effect, state) {
      const before = ledger;
      if (effect.type === "prediction") ledger = noted(ledger, effect.prediction, state);
      if (effect.type === "risk") {
        ledger = risked(ledger, effect);
        if (ledger === before) return;
      }
      // What is new is kept first, what is over last: better taken back twice than never.
      const isOver = ledger.unwell.length < before.unwell.length;
      if (!isOver && effect.type !== "sensor") keep(kept(ledger));
      report(reportOf(effect, { serverId, source }));
      if (isOver) keep(kept(ledger));
    },
    look(state) {
      const [next, cleared] = settled(ledger, state, config);
      ledger = next;
      if (cleared.length === 0) return;
      for (const { device, reason, ...one } of cleared) {
        const words = { device: cut(device), reason: cut(reason) };
        report({ type: "prediction-cleared", serverId, source, ...one, ...words });
      }
      keep(kept(ledger));
    },
  };
}
