/**
 * A whole site on this machine, each program its own process: for the demo, the end-to-end tests
 * and the benches. Everything is below one folder and one folder of a tmpfs, and `close` ends all
 * of it, guests too.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { endGuestsBelow } from "../../agent/qemu/find.ts";
import type { Config } from "../../management/state.ts";
import { SystemError } from "../../protocol/error.ts";
import type { Principal } from "../../protocol/ids.ts";
import type { Program } from "../../runtime/program.ts";
import { ensureSecret } from "../../runtime/secrets.ts";
import { type Client, connect } from "../client.ts";
import { type GuestReport, readCounter } from "../guests/serial.ts";
import type { World } from "../world.ts";

const READY_MS = 30_000;
const STOP_MS = 10_000;
const SOURCES = join(import.meta.dirname, "..", "..");

export interface FleetOptions {
  readonly world: World;
  /** Below it is the state of every program. It must not be there yet. */
  readonly folder: string;
  /** Below a tmpfs: the guests' RAM. */
  readonly ramFolder: string;
  readonly hosts: readonly string[];
  /** The management server's policy, if not the default. */
  readonly policy?: Partial<Config>;
  /** The coordinator's part of its configuration, asked for at each of its starts. */
  readonly coordinator?: () => object;
  /** Added to an agent's configuration, as YAML lines. */
  readonly agentLines?: (host: string) => readonly string[];
}

/** Programs are named `management`, `coordinator`, `agent-HOST`, `firmware-SERVER`. */
export class Fleet {
  readonly folder: string;
  readonly ramFolder: string;
  private readonly options: FleetOptions;
  private readonly programs = new Map<string, Program>();
  /** Ports are kept over restarts: agents know where to go. */
  private readonly listening = new Map<string, string>();
  private client: Client | undefined;
  private closing = false;

  constructor(options: FleetOptions) {
    this.options = options;
    this.folder = options.folder;
    this.ramFolder = options.ramFolder;
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    mkdirSync(options.ramFolder, { recursive: true, mode: 0o700 });
    const principals: Principal[] = ["management", "coordinator", "operator"];
    for (const host of options.hosts) principals.push(`agent:${host}`, `nic:${host}`);
    for (const who of principals) ensureSecret(this.secrets, who);
  }

  get secrets(): string {
    return join(this.folder, "site", "secrets");
  }

  /** Management server, coordinator and every agent. */
  async start(): Promise<void> {
    await this.startCoordinator();
    await this.startManagement();
    await Promise.all(this.options.hosts.map((host) => this.startAgent(host)));
  }

  async startCoordinator(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const listen = this.listening.get("coordinator") ?? "127.0.0.1:0";
    const config = join(this.folder, "coordinator.yaml");
    writeFileSync(config, JSON.stringify({ coordinator: this.options.coordinator?.() ?? {} }));
    const args = ["--state", join(this.folder, "site"), "--listen", listen, "--with-parent"];
    await this.run("coordinator", "coordinator/main.ts", ["--config", config, ...args], env);
  }

  async startManagement(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const listen = this.listening.get("management") ?? "127.0.0.1:0";
    const config = join(this.folder, "management.yaml");
    // JSON is YAML.
    writeFileSync(config, JSON.stringify({ management: { policy: this.options.policy ?? {} } }));
    const where = ["--config", config, "--coordinator", this.listeningOf("coordinator")];
    const args = ["--state", join(this.folder, "site"), "--listen", listen, "--with-parent"];
    await this.run("management", "management/main.ts", [...args, ...where], env);
  }

  async startAgent(host: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const file = join(this.folder, `agent-${host}.yaml`);
    const lines = [
      `hostId: ${host}`,
      `serverId: ${host}`,
      `stateFolder: ${this.stateOf(host)}`,
      `ramFolder: ${join(this.options.ramFolder, host)}`,
      `secretsFolder: ${this.secrets}`,
      `management: ws://${this.listeningOf("management")}`,
      `coordinator: ws://${this.listeningOf("coordinator")}`,
      "data: { host: 127.0.0.1, port: 0 }",
      "accelerator: tcg",
      "allowUserNetwork: true",
      ...(this.options.agentLines?.(host) ?? []),
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    await this.run(`agent-${host}`, "agent/main.ts", ["--config", file, "--with-parent"], env);
  }

  /** Runs one program; resolves when it says that it is ready. */
  async run(
    name: string,
    main: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const { clock, startProgram } = this.options.world;
    if (this.closing) throw new SystemError("STATE_CONFLICT", "The site is being ended");
    const errorsTo = join(this.folder, `${name}.log`);
    let ready = (_listening: string): void => {};
    const said = new Promise<string>((resolve) => {
      ready = resolve;
    });
    const onLine = (line: string): void => {
      const told = /"listening":"([^"]*)"/.exec(line)?.[1];
      if (told !== undefined) ready(told);
    };
    const program = startProgram(join(SOURCES, main), args, { onLine, env, errorsTo });
    // At once: a site that ends meanwhile must know of it.
    this.programs.set(name, program);
    const timer = clock.after(READY_MS, () => program.signal("SIGKILL"));
    const first = await Promise.race([said, program.exited]);
    timer.cancel();
    if (typeof first !== "string") {
      this.programs.delete(name);
      const log = await readFile(errorsTo, "utf8").catch(() => "");
      throw new SystemError("COMMAND_FAILED", `${name} did not start: ${log.slice(-2_000)}`);
    }
    this.listening.set(name, first);
  }

  listeningOf(name: string): string {
    const listening = this.listening.get(name);
    if (listening === undefined) throw new SystemError("STATE_CONFLICT", `${name} never ran`);
    return listening;
  }

  programOf(name: string): Program | undefined {
    return this.programs.get(name);
  }

  /** Ends a program, in order or at once; an agent's worker ends with its parent. */
  async stop(name: string, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const program = this.programs.get(name);
    if (program === undefined) return;
    this.programs.delete(name);
    if (name === "management") this.dropClient();
    program.signal(signal);
    const { clock } = this.options.world;
    const timer = clock.after(STOP_MS, () => program.signal("SIGKILL"));
    await program.exited;
    timer.cancel();
  }

  /** An operator's link to the management server; a new one after it was restarted. */
  async operator(): Promise<Client> {
    if (this.client !== undefined) return this.client;
    const client = await connect(this.options.world, {
      state: join(this.folder, "site"),
      management: this.listeningOf("management"),
      output: "json",
    });
    if (this.closing) {
      client.close();
      throw new SystemError("STATE_CONFLICT", "The site is being ended");
    }
    this.client = client;
    return client;
  }

  dropClient(): void {
    this.client?.close();
    this.client = undefined;
  }

  stateOf(host: string): string {
    return join(this.folder, host);
  }

  /** What a guest has printed on a host. */
  async serial(host: string, vmId: string): Promise<string> {
    const path = join(this.stateOf(host), "vms", vmId, "serial.log");
    return readFile(path, "latin1").catch(() => "");
  }

  async counter(host: string, vmId: string): Promise<GuestReport> {
    return readCounter(await this.serial(host, vmId));
  }

  /** Ends programs and guests, and removes what they left in memory and, unless kept, on disk. */
  async close({ keepFolder = false } = {}): Promise<void> {
    this.closing = true;
    this.dropClient();
    const names = [...this.programs.keys()];
    await Promise.all(names.map((name) => this.stop(name)));
    await endGuestsBelow(this.folder, this.options.world.clock);
    rmSync(this.options.ramFolder, { recursive: true, force: true });
    if (!keepFolder) rmSync(this.folder, { recursive: true, force: true });
  }
}
