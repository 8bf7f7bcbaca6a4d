/**
 * What the coordinator says: told, decided upon, and passed on to whoever asked.
 * @module
 */
import type { Message } from "../protocol/message.ts";
import type { DrillResult } from "../protocol/replication.ts";
import { type Operations, takeRelayed } from "./operations.ts";
import type { Event } from "./state.ts";
import { type Happening, ofAnswer, ofTrace, type ProgressBoard } from "./timeline.ts";

export interface AnswerPorts {
  readonly pending: Operations;
  readonly board: ProgressBoard;
  readonly tell: (happening: Happening) => void;
  /** What was told is durable then. */
  readonly flush: () => void;
  readonly dispatch: (event: Event) => void;
  readonly onDrill: (result: DrillResult) => void;
}

export function takeAnswer(message: Message, atMs: number, ports: AnswerPorts): void {
  const { pending, board, tell, flush, dispatch, onDrill } = ports;
  switch (message.type) {
    case "fleet":
      dispatch({ ...message, atMs });
      break;
    case "host-vms":
    case "migration-result":
      tell(ofAnswer(message));
      dispatch({ ...message, atMs });
      if (message.type === "migration-result") takeRelayed(pending, message);
      break;
    case "operation-result":
      tell(ofAnswer(message));
      flush();
      takeRelayed(pending, message);
      break;
    case "drill-result":
      tell(ofAnswer(message));
      onDrill(message);
      flush();
      takeRelayed(pending, message);
      break;
    case "console-text":
      takeRelayed(pending, message);
      break;
    case "trace":
      tell(ofTrace(message));
      flush();
      break;
    case "migration-progress": {
      const happening = board.take(message, atMs);
      if (happening !== undefined) tell(happening);
      flush();
    }
  }
}
