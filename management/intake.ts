/**
 * What agents and NIC firmware deliver at least once: taken once, and acknowledged only when all
 * that it led to is durable.
 *
 *   deliver -> known sequence? -> fold
 *           -> one transaction: {sequence, event, prediction, decision} -> sends -> delivered
 */
import type { Principal } from "../protocol/ids.ts";
import type { Deliver, Message } from "../protocol/message.ts";
import type { RiskChange, SensorFault } from "../protocol/prediction.ts";
import type { Event } from "./state.ts";
import type { ManagementStore } from "./store.ts";
import { type Happening, ofDelivery } from "./timeline.ts";

export interface IntakePorts {
  readonly store: Pick<ManagementStore, "takenOf" | "saveTaken">;
  /** Writes later, in the transaction of the next `dispatch` or `flush`. */
  readonly write: (task: () => void) => void;
  readonly tell: (happening: Happening) => void;
  readonly flush: () => void;
  readonly dispatch: (event: Event) => void;
  readonly onSensorFault: (from: Principal, fault: SensorFault) => void;
  readonly onRiskChange: (change: RiskChange) => void;
  readonly nowMs: () => number;
  readonly wallTime: () => string;
}

/** Takes one delivery; returns the acknowledgement, which is due whether or not it was new. */
export function takeDelivery(from: Principal, message: Deliver, ports: IntakePorts): Message {
  const { store, write } = ports;
  const { spool, sequence, body } = message;
  const taken = store.takenOf(from, spool);
  if (sequence <= taken) return { type: "delivered", spool, sequence: taken };
  write(() => store.saveTaken(from, spool, sequence));
  ports.tell(ofDelivery(from, message));
  const [atMs, wallTime] = [ports.nowMs(), ports.wallTime()];
  switch (body.type) {
    case "prediction":
      ports.dispatch({ type: "prediction", from, prediction: body, wallTime, atMs });
      break;
    case "prediction-cleared":
      ports.dispatch({ type: "prediction-cleared", cleared: body, wallTime, atMs });
      break;
    case "risk-change":
      ports.onRiskChange(body);
      ports.flush();
      break;
    case "sensor-fault":
      ports.onSensorFault(from, body);
      ports.flush();
  }
  return { type: "delivered", spool, sequence };
}
