/**
 * What predicts: an agent, or NIC firmware that lives on without one. What it says is kept until
 * the management server acknowledges it.
 */
import type { Deliver, Message } from "../../protocol/message.ts";
import type { Prediction, PredictionCleared } from "../../protocol/prediction.ts";
import type { Link, Port } from "./network.ts";
import type { Surroundings } from "./surroundings.ts";

export class Reporter {
  readonly port: Port;
  readonly answer: (message: Message) => void;
  link: Link | undefined;
  private readonly spool: string;
  private waiting: Deliver[] = [];
  private sequence = 0;

  constructor(cluster: Surroundings, place: string, ready: () => boolean) {
    this.spool = cluster.chance.split(`spool ${place}`).hex(16);
    this.answer = (message) => this.link?.send(1, message);
    this.port = {
      place,
      ready,
      up: () => {
        for (const message of this.waiting) this.link?.send(0, message);
      },
      down: () => {},
      take: (message) => {
        if (message.type !== "delivered") return;
        this.waiting = this.waiting.filter((one) => one.sequence > message.sequence);
      },
    };
  }

  report(body: Prediction | PredictionCleared): void {
    const { spool } = this;
    const message: Deliver = { type: "deliver", spool, sequence: ++this.sequence, body };
    this.waiting.push(message);
    this.link?.send(0, message);
  }

  get pending(): number {
    return this.waiting.length;
  }
}
