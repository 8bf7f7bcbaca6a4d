/** placeholder */
import type * as authority from "../../agent/authority/authority.ts";
import type * as coordinator from "../../coordinator/coordinator.ts";
import type { VmRecord } from "../../coordinator/state.ts";

export interface Breakage {
  readonly name: string;
  readonly rule: string;
  readonly agentStep?: (step: typeof authority.step) => typeof authority.step;
  readonly coordinatorStep?: (step: typeof coordinator.step) => typeof coordinator.step;
  readonly coordinatorStart?: (vms: VmRecord[]) => VmRecord[];
  readonly takesAnyStream?: boolean;
  readonly releasesUnacked?: boolean;
  readonly agentForgetsFlush?: boolean;
}
