// Builds the pages that edgetoll serves: www/ into build/www/. The words of words.json are put into pay.html, and pay.js is
// bundled with what it imports.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = join(root, 'www');
const to = join(root, 'build/www');
const copied = ['dashboard.html', 'dashboard.js', 'login.html', 'operator.css', 'pay.css'];
const copiedIfThere = ['toll.js', 'toll.d.ts'];

try {
  const words = readWords('words.json');
  const pages = new Map(copied.concat(copiedIfThere.filter(isThere)).map((name) => [name, read(name)]));
  checkWords(words, read('pay.html'), read('pay.js'));
  pages.set('pay.html', putIn(words, read('pay.html')));
  pages.set('pay.js', await bundle('pay.js'));

  // Only when everything is there.
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

function isThere(name) {
  return existsSync(join(from, name));
}

function readWords(name) {
  try {
    return JSON.parse(read(name));
  } catch (error) {
    throw new Error(`www/${name}: ${error.message}`);
  }
}

/** Each word is used, and each that is used is there. */
function checkWords(words, page, script) {
  const used = new Map();
  for (const [, key] of page.matchAll(/\[\[(.*?)\]\]/g)) used.set(key, 'pay.html');
  for (const [, key] of script.matchAll(/\bwords\.(?!json\b)(\w+)/g)) used.set(key, 'pay.js');
  const wrong = [
    ...[...used].filter(([key]) => !Object.hasOwn(words, key)).map(([key, by]) => `www/${by} wants the word "${key}", which www/words.json has not`),
    ...Object.keys(words).filter((key) => !used.has(key)).map((key) => `www/words.json has the word "${key}", which nothing uses`),
    ...Object.keys(words).filter((key) => typeof words[key] !== 'string').map((key) => `"${key}" in www/words.json is not a text`),
  ];
  if (wrong.length) throw new Error(wrong.join('\nedgetoll: '));
}

/** A word is text, not HTML; a `{{name}}` in it is filled by the Worker. */
function putIn(words, page) {
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
    target: 'es2022',
    charset: 'utf8',
    write: false,
    logLevel: 'silent',
  });
  if (warnings.length) throw new Error(`www/${name}: ${warnings[0].text}`);
  return outputFiles[0].text;
}
