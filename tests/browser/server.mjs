// A platform of its own for the tests: demo data in a temporary folder, on a free port.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Longest a start may take; a first start compiles every component. */
const START_MS = 180_000;
/** Longest an orderly stop may take. */
const STOP_MS = 15_000;

/** Why there is nothing to start, or false. */
export function missing() {
  const absent = ["RONGQIAO_BIN", "RONGQIAO_GUESTS"].filter((name) => !process.env[name]);
  return absent.length > 0 && `${absent.join(" and ")} not set; run ./x test`;
}

/** Path of a built model's component. */
export const model = (name) => join(process.env.RONGQIAO_GUESTS, "models", `${name}.wasm`);

/** Path of a model that breaks a promise: `cargo run -p tests-guests -- $RONGQIAO_GUESTS/hostile`. */
export const hostile = (name) => join(process.env.RONGQIAO_GUESTS, "hostile", `${name}.wasm`);

/** Path of a built plugin's component. */
export const plugin = (name) => join(process.env.RONGQIAO_GUESTS, "plugins", name, "component.wasm");

/** 随申办 and 企业云, played; they end when their input does. */
class Providers {
  #child;

  /** Starts them; the platform's configuration with them. */
  async start(folder) {
    const program = join(dirname(process.env.RONGQIAO_BIN), "rongqiao-providers");
    this.#child = spawn(program, ["--folder", folder], { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((found, failed) => {
      this.#child.stdout.once("data", found);
      this.#child.once("error", failed);
      this.#child.once("exit", (code) => failed(new Error(`the providers end with ${code}`)));
    });
    const config = join(folder, "config.toml");
    const parts = [join(ROOT, "host-config", "dev.toml"), join(folder, "providers.toml")];
    const texts = await Promise.all(parts.map((part) => readFile(part, "utf8")));
    // One look at another's data is more than nobody's.
    texts.push("[audit.unusual]\nparties = 1\n");
    await writeFile(config, texts.join("\n"));
    return config;
  }

  stop() {
    this.#child?.stdin.end();
  }
}

export class Server {
  /** `http://127.0.0.1:PORT` */
  url = "";
  /** Demo login to password. */
  logins = {};
  #child;
  #data;
  #log = "";
  #providers = new Providers();

  static async start() {
    const server = new Server();
    server.#data = await mkdtemp(join(tmpdir(), "rongqiao-browser-"));
    const config = await server.#providers.start(join(server.#data, "providers"));
    const args = [
      "serve", "--demo", "--port", "0", "--data", server.#data,
      "--plugins", join(process.env.RONGQIAO_GUESTS, "plugins"), "--config", config,
    ];
    server.#child = spawn(process.env.RONGQIAO_BIN, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    try {
      server.url = await server.#announced();
      server.logins = JSON.parse(await readFile(join(server.#data, "demo-logins.json"), "utf8"));
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  #announced() {
    return new Promise((found, failed) => {
      const give = (why) => failed(new Error(`the server does not start: ${why}\n${this.#log}`));
      const late = setTimeout(() => give(`silent for ${START_MS} ms`), START_MS);
      let said = "";
      this.#child.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
        // Only a whole line has the whole port.
        const at = said.match(/(http:\/\/\S+)\r?\n/);
        if (!at) return;
        clearTimeout(late);
        found(at[1]);
      });
      this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#log += text));
      this.#child.once("error", (error) => give(error.message));
      this.#child.once("exit", (code) => {
        clearTimeout(late);
        give(`exit code ${code}`);
      });
    });
  }

  /** Lines of the log that report an error of the platform. */
  errors() {
    const plain = this.#log.replace(/\x1b\[[0-9;]*m/g, "");
    return plain.split("\n").filter((line) => /\bERROR\b|panicked at/.test(line));
  }

  async stop() {
    this.#providers.stop();
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null && child.pid) {
      const gone = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await gone;
      clearTimeout(late);
    }
    await rm(this.#data, { recursive: true, force: true });
  }
}
