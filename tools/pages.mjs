// Builds the pages that edgetoll serves: www/ into build/www/. Puts the texts of words.json into pay.html and error.html, and bundles
// dashboard.js, pay.js and the style sheets with the files that they import.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = join(root, 'www');
const to = join(root, 'build/www');
const copied = ['dashboard.html', 'login.html', 'toll.js', 'toll.d.ts'];
const bundled = ['dashboard.js', 'operator.css', 'pay.css', 'pay.js'];

try {
  const words = readWords('words.json');
  checkWords(words, ['pay.html', 'error.html'], read('pay.js'));
  const pages = new Map(copied.map((name) => [name, read(name)]));
  pages.set('pay.html', insertWords(words, read('pay.html')));
  // The page for errors has its styles inside, because it is also served if the price list cannot be read. Then no style sheet is served.
  const errorStyles = await bundle('error.css');
  pages.set('error.html', insertWords(words, read('error.html')).replace('/* error.css */', () => errorStyles));
  for (const name of bundled) pages.set(name, await bundle(name));

  // Files are replaced only after all of them have been built, so an error leaves the previous build in place.
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const [name, content] of pages) writeFileSync(join(to, name), content);
} catch (error) {
  console.error(`edgetoll: ${error.message}`);
  process.exit(1);
}

function read(name) {
  return readFileSync(join(from, name), 'utf8');
}

function readWords(name) {
  try {
    return JSON.parse(read(name));
  } catch (error) {
    throw new Error(`www/${name}: ${error.message}`);
  }
}

/** Throws unless the pages and pay.js use every text of words.json, and every text that they use exists. */
function checkWords(words, pages, script) {
  const used = new Map();
  for (const name of pages) for (const [, key] of read(name).matchAll(/\[\[(.*?)\]\]/g)) used.set(key, name);
  for (const [, key] of script.matchAll(/\bwords\.(?!json\b)(\w+)/g)) used.set(key, 'pay.js');
  const keys = Object.keys(words);
  const mistakes = [
    ...[...used].filter(([key]) => !keys.includes(key)).map(([key, by]) => `www/words.json has no text "${key}", which www/${by} uses`),
    ...keys.filter((key) => !used.has(key)).map((key) => `the text "${key}" of www/words.json is not used`),
    ...keys.filter((key) => typeof words[key] !== 'string').map((key) => `"${key}" in www/words.json must be a string`),
  ];
  if (mistakes.length) throw new Error(mistakes.join('\nedgetoll: '));
}

/** Replaces each `[[key]]` by its text, escaped for HTML. The Worker replaces each `{{name}}` in a text when it serves the page. */
function insertWords(words, page) {
  const escaped = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return page.replace(/\[\[(.*?)\]\]/g, (_, key) => words[key].replace(/[&<>"']/g, (character) => escaped[character]));
}

async function bundle(name) {
  const { outputFiles, warnings } = await build({
    absWorkingDir: root,
    entryPoints: [join(from, name)],
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['chrome94', 'firefox93', 'safari15'],
    charset: 'utf8',
    write: false,
    logLevel: 'silent',
  });
  if (warnings.length) throw new Error(`www/${name}: ${warnings[0].text}`);
  return outputFiles[0].text;
}
