// Makes Chromium as old as the oldest browsers that the pages support: removes each feature that one of them does not have, according to
// MDN's browser compatibility data.
import { createRequire } from 'node:module';

const { api, javascript, css } = createRequire(import.meta.url)('@mdn/browser-compat-data');

/** The oldest versions that www/README.md names, in the words of MDN's data. */
const OLDEST = { chrome: 94, chrome_android: 94, firefox: 93, firefox_android: 93, safari: 15, safari_ios: 15 };
/** The same versions in the words of esbuild. */
export const OLDEST_TARGETS = ['chrome94', 'firefox93', 'safari15'];

/** Removes the web APIs and the built-in JavaScript objects, functions and properties from every page of a context. */
export async function removeNewerApis(context) {
  await context.addInitScript((names) => {
    for (const path of names.map((name) => name.split('.'))) {
      const [last, isStatic] = path.pop().split('_static');
      const owner = path[0] === 'Window' ? globalThis : path.reduce((object, name) => object?.[name], globalThis);
      for (const object of isStatic === undefined ? [owner, owner?.prototype] : [owner]) {
        if (object && Object.prototype.hasOwnProperty.call(object, last)) delete object[last];
      }
    }
  }, [...newer(api), ...newer(javascript.builtins)]);
}

/** Makes the newer properties, values, selectors and media features of a page's style sheets unknown. */
export async function removeNewerStyles(page) {
  await page.route('**/*.css', async (route) => {
    const response = await route.fetch();
    const body = (await response.text())
      .replace(/(?<=[{;])([a-z-]+):([^;}]*)/g, (declaration, property, value) => {
        const known = css.properties[property];
        return isNewer(known) || isNewer(known?.[value]) ? `unknown:${value}` : declaration;
      })
      .replace(/:([a-z-]+)(?=[^{}]*\{)/g, (selector, name) => isNewer(css.selectors[name]) ? ':unknown' : selector)
      .replace(/(?<=\()([a-z-]+)(?=:)/g, (feature) => isNewer(css['at-rules'].media[feature]) ? 'unknown' : feature);
    await route.fulfill({ response, body });
  });
}

/** Returns the dotted names of the features that one of the oldest browsers does not have. */
function newer(features, prefix = '') {
  return Object.entries(features).filter(([key]) => key !== '__compat').flatMap(([key, feature]) =>
    isNewer(feature) ? [prefix + key] : newer(feature, `${prefix}${key}.`));
}

function isNewer(feature) {
  const support = feature?.__compat?.support;
  return support !== undefined && !Object.entries(OLDEST).every(([browser, oldest]) =>
    [support[browser]].flat().some((entry) => entry && !entry.flags && !entry.prefix && !entry.alternative_name && isIn(entry, oldest)));
}

/** `version_added` is a version, such as "15.4" or "≤37", or "preview" or `false`. */
const isIn = ({ version_added: added }, oldest) => added && parseFloat(added.replace('≤', '')) <= oldest;
