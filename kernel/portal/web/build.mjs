// Builds dist/: one stylesheet, one script and one more for pages with passwords, one icon sprite, each named after its
// content, and manifest.json that says which is which. Needs `npm ci` first.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile, access } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { PurgeCSS } from "purgecss";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const manifest = {};

async function emit(name, extension, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const file = `${name}.${hash}.${extension}`;
  await writeFile(here(`dist/${file}`), content);
  manifest[`${name}.${extension}`] = file;
}

async function styles() {
  const sources = {
    content: [here("../src/**/*.rs"), here("src/app.js")],
    css: [{ raw: await readFile(here("node_modules/@tabler/core/dist/css/tabler.css"), "utf8") }],
    safelist: { standard: ["html", "body"] },
    variables: true,
    keyframes: true,
    fontFace: true,
  };
  const [{ css: tabler }] = await new PurgeCSS().purge(sources);
  const skin = await readFile(here("src/skin.css"), "utf8");
  // Longer source names in comments and maps would be all that is left of the originals.
  const bare = tabler.replace(/\/\*[^]*?\*\//g, "");
  const { code } = await transform(`@layer tabler,skin;@layer tabler{${bare}}${skin}`, {
    loader: "css",
    minify: true,
    target: ["chrome109", "safari16", "firefox110"],
  });
  await emit("app", "css", code);
}

async function script(name) {
  const result = await build({
    entryPoints: [here(`src/${name}.js`)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["chrome100", "safari15", "firefox100"],
    // Asked for outside of browsers only.
    external: ["crypto"],
  });
  await emit(name, "js", result.outputFiles[0].text);
}

async function sprite() {
  const names = JSON.parse(await readFile(here("icons.json"), "utf8"));
  const symbols = [];
  const missing = [];
  for (const name of [...new Set(names)].sort()) {
    const path = here(`node_modules/@tabler/icons/icons/outline/${name}.svg`);
    const source = await readFile(path, "utf8").catch(() => null);
    const inner = source?.match(/<svg[^>]*>([^]*)<\/svg>/)?.[1];
    if (!inner) {
      missing.push(name);
      continue;
    }
    const shapes = inner.replace(/<path stroke="none"[^>]*\/>/, "").replace(/\s+/g, " ").trim();
    symbols.push(
      `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`,
    );
  }
  if (missing.length) throw new Error(`no such icons: ${missing.join(", ")}`);
  await emit("icons", "svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
}

// A bridge: 桥.
async function favicon() {
  await emit(
    "favicon",
    "svg",
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1552bf"/><path d="M4 22h24M7 22a9 9 0 0 1 18 0M11.5 22v-7M16 22v-9M20.5 22v-7" fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round"/></svg>',
  );
}

await access(here("node_modules/esbuild")).catch(() => {
  throw new Error("node_modules is missing: run `npm ci` in this folder first");
});
await rm(here("dist"), { recursive: true, force: true });
await mkdir(here("dist"));
await Promise.all([styles(), script("app"), script("seal"), sprite(), favicon()]);
await writeFile(here("dist/manifest.json"), `${JSON.stringify(manifest, Object.keys(manifest).sort(), 1)}\n`);
for (const file of Object.values(manifest)) {
  console.log(file, (await readFile(here(`dist/${file}`))).length, "bytes");
}
