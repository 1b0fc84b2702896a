// The alerts for Prometheus and the dashboard for Grafana in ops/, and the runbook in docs/operations.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parser } from '@prometheus-io/lezer-promql';
import { load } from 'js-yaml';
import { root } from '../../tools/lib/run.mjs';
import { ADMIN_TOKEN, sendAsAdmin } from './support/admin.mjs';
import { send } from './support/client.mjs';
import { OBJECTS, startBareWorker } from './support/workerd.mjs';

const read = (file) => readFileSync(join(root, file), 'utf8');
const runbook = read('docs/operations.md');
const rules = load(read('ops/alerts.yml')).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read('ops/grafana-dashboard.json'));
let metrics;
before(async () => {
  const { url, server } = await startBareWorker({ toll: { routes: [{ path: '/sold', sats: 5 }] }, vars: { ADMIN_TOKEN }, objects: { ...OBJECTS, LEDGER: 'Ledger' } });
  await send(url, '/sold', { headers: { authorization: 'L402 garbage' } });
  await sendAsAdmin(url, 'stats');
  const { text } = await sendAsAdmin(url, 'metrics');
  metrics = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, { type, labels: new Set([...text.matchAll(new RegExp(`^${name}\\{(.*)\\} `, 'gm'))].flatMap(([, labels]) => [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label))) }]));
  await server.stop();
});

/** Metrics and labels that Prometheus itself adds. */
const OF_PROMETHEUS = ['up', 'scrape_duration_seconds'];

/** Asserts that an expression is PromQL, and that its metrics and their labels exist in the response of the Worker. */
function assertQuery(expression) {
  const tree = parser.parse(expression);
  const text = ({ from, to }) => expression.slice(from, to);
  let metric;
  tree.iterate({
    enter(node) {
      assert.ok(!node.type.isError, `${expression}: a syntax error at ${node.from}`);
      if (node.name === 'VectorSelector') metric = undefined;
      if (node.name === 'Identifier') {
        metric = text(node);
        assert.ok(metrics.has(metric) || OF_PROMETHEUS.includes(metric), `${expression}: the Worker has no metric ${metric}`);
      }
      if (node.name === 'LabelName' && metric && !OF_PROMETHEUS.includes(metric) && node.node.parent.name !== 'GroupingLabels') {
        assert.ok(metrics.get(metric).labels.has(text(node)), `${expression}: ${metric} has no label ${text(node)}`);
      }
    },
  });
  // A counter only grows, so only its increase has a meaning.
  for (const [name, { type }] of metrics) {
    const isUsed = expression.includes(name);
    const isIncrease = new RegExp(`(increase|rate)\\(${name}(\\{[^}]*\\})?\\[`).test(expression);
    if (isUsed && type === 'counter') assert.ok(isIncrease, `${expression}: ${name} is a counter`);
    if (isUsed && type === 'gauge') assert.ok(!isIncrease, `${expression}: ${name} is a gauge`);
  }
}

/** Returns the codes of all refusals in the source. */
function codes() {
  const sources = ['src/error.rs', 'src/protocols/l402/refusal.rs', 'src/protocols/x_preimage.rs'].map((file) => read(file).split('fn code(')[1].split('\n    }\n')[0]);
  return new Set(sources.flatMap((source) => [...source.matchAll(/=> "([a-z_0-9]+)"/g)].map(([, code]) => code)));
}

/** Returns the cells of the table below a heading of the runbook. */
function table(heading) {
  const section = runbook.split(`\n${heading}`)[1].split(/\n## /)[0];
  return section.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.slice(2, -2).split(' | '));
}
const spans = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text);

test('Each alert is a rule of Prometheus, and its query uses metrics, labels and codes that exist', () => {
  assert.ok(rules.length > 10);
  const known = codes();
  assert.ok(known.size > 50);
  for (const { alert, expr, labels, annotations, ...rest } of rules) {
    assert.match(alert, /^Edgetoll[A-Za-z]+$/);
    assertQuery(expr);
    assert.ok(['critical', 'warning', 'info'].includes(labels.severity), alert);
    assert.ok(annotations.summary.length > 10, alert);
    for (const [key, value] of Object.entries(rest)) assert.ok(key === 'for' && /^\d+[mh]$/.test(value), `${alert}: ${key}`);
    for (const [, values] of expr.matchAll(/code=~?"([^"]+)"/g)) for (const code of values.split('|')) assert.ok(known.has(code), `${alert}: ${code}`);
  }
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
});

test('Each panel of the dashboard has queries that exist, and none covers another', () => {
  const squares = new Set();
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const variables = dashboard.templating.list.map(({ name }) => name);
  for (const { title, gridPos: { x, y, w, h }, targets, datasource } of dashboard.panels) {
    assert.ok(targets.length > 0, title);
    for (let column = x; column < x + w; column += 1) {
      assert.ok(column < 24, title);
      for (let row = y; row < y + h; row += 1) {
        assert.ok(!squares.has(`${column} ${row}`), `${title} covers another panel`);
        squares.add(`${column} ${row}`);
      }
    }
    assert.equal(datasource.uid, '${datasource}');
    for (const { expr } of targets) {
      for (const [, variable] of expr.matchAll(/\$(\w+)/g)) assert.ok(variables.includes(variable) || ['__rate_interval', '__range'].includes(variable), `${title}: ${variable}`);
      assertQuery(expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1d').replaceAll('$route', '.*'));
    }
  }
  assert.ok(JSON.stringify(dashboard).includes('label_values(edgetoll_requests_total, route)'));
});

test('The runbook has a row for each alert, each code and each kind of log record, and no other', () => {
  const alerts = table('## Alerts').map(([alert]) => spans(alert)[0]);
  assert.deepEqual(alerts.sort(), rules.map(({ alert }) => alert).sort());
  const rows = table('## What to do about a code');
  assert.deepEqual(rows.flatMap(([code]) => spans(code)).sort(), [...codes()].sort());
  assert.deepEqual(Object.keys(JSON.parse(read('www/codes.json'))).sort(), [...codes()].sort(), 'the dashboard says what each code means');
  const log = read('src/edge/platform/log.rs');
  const events = ['request', ...[...log.matchAll(/event: "(\w+)"/g)].map(([, event]) => event)];
  const details = table('## The log').filter((cells) => cells.length === 4 && spans(cells[0])[0] !== 'event');
  assert.deepEqual([...new Set(details.map(([event]) => spans(event)[0]))].sort(), events.sort());
  for (const cells of [...table('## Alerts'), ...rows, ...details]) assert.ok(cells.every((cell) => cell.trim()), cells.join(' | '));
});

test('The runbook explains each sentence that the Worker logs about a wallet', () => {
  const sources = ['src/edge/services/ledger.rs', 'src/edge/services/wallets/mod.rs', 'src/edge/services/wallet_sync/lnbits.rs', 'src/edge/services/wallet_sync/mod.rs', 'src/edge/objects/nwc_connection.rs', 'src/edge/handlers/webhook.rs', 'src/wallet/probe.rs'];
  const texts = sources.flatMap((file) => {
    const source = read(file).split('#[cfg(test)]')[0];
    const logged = [...source.matchAll(/log::wallet\(\s*(?:self\.)?slot,\s*&?(?:format!\()?\s*"([^"]+)"/g)].map(([, text]) => text);
    const warnings = file.endsWith('probe.rs') ? [...source.split('fn warning')[1].split('\n    }\n')[0].matchAll(/"([a-z][^"]{10,})/g)].map(([, text]) => text) : [];
    const problems = [...source.matchAll(/let problem = "([^"]+)"/g)].map(([, text]) => text);
    return [...logged, ...warnings, ...problems];
  }).filter((text) => !text.startsWith('{'));
  assert.ok(texts.length >= 9, texts.join('\n'));
  const documented = table('## The log').filter(([event]) => event === '`wallet`').flatMap(([, detail]) => spans(detail ?? ''));
  for (const text of texts) {
    const isDocumented = documented.some((detail) => text.startsWith(detail.replace(/[:,]? ?…$/, '')));
    assert.ok(isDocumented, `the log says: ${text}`);
  }
});
