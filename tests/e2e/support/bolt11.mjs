// Edits BOLT 11 invoices and recomputes the checksum (BIP 173). The node's signature becomes invalid, but only payers verify it.
const BECH32_CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

/** Returns the invoice with another prefix (`lntb50n`, or `lnbc` for no amount) or another timestamp. */
export function editInvoice(bolt11, { prefix, timestamp }) {
  const separator = bolt11.lastIndexOf('1');
  const groups = [...bolt11.slice(separator + 1, -6)].map((letter) => BECH32_CHARSET.indexOf(letter));
  if (timestamp) groups.splice(0, 7, ...[30, 25, 20, 15, 10, 5, 0].map((shift) => Math.floor(timestamp / 2 ** shift) % 32));
  prefix ??= bolt11.slice(0, separator);
  return `${prefix}1${[...groups, ...checksum(prefix, groups)].map((group) => BECH32_CHARSET[group]).join('')}`;
}

function checksum(prefix, groups) {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  const expanded = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
  const remainder = polymod([...expanded, ...groups, 0, 0, 0, 0, 0, 0]) ^ 1;
  return [25, 20, 15, 10, 5, 0].map((shift) => (remainder >> shift) & 31);
}

function polymod(values) {
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  return values.reduce((sum, value) => {
    const top = sum >>> 25;
    const next = ((sum & 0x1ffffff) << 5) ^ value;
    return generator.reduce((result, term, bit) => ((top >> bit) & 1 ? result ^ term : result), next);
  }, 1);
}
