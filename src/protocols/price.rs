//! The price of a request.

/// The price of one request. The price list, the invoice and the caveats all use this type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    Sats(u64),
    /// The wallet converts this price to satoshis when it creates the invoice.
    Fiat(FiatPrice),
}

impl Price {
    /// Returns the currency; empty for satoshis.
    pub fn currency(&self) -> &str {
        match self {
            Self::Sats(_) => "",
            Self::Fiat(price) => price.fiat.currency(),
        }
    }
}

/// A price in a currency. The amount of its invoice in satoshis must be from `min_sats` to `max_sats`, which protects
/// against a wrong exchange rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiatPrice {
    pub fiat: Fiat,
    pub min_sats: u64,
    pub max_sats: u64,
}

/// An amount in a currency, such as `0.01 USD`. It is never zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fiat {
    text: String,
    /// The amount in hundred-millionths of the currency's unit.
    e8: u64,
}

impl Fiat {
    /// Parses digits with at most eight decimal places, a space, and three upper-case letters. Returns `None` for any
    /// other text, and for an amount of zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (amount, currency) = text.split_once(' ')?;
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
        let zeros = "00000000".get(fraction.len()..)?;
        if fraction.is_empty() || currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        parse_whole_number(whole)?;
        // For `0.01`, the joined digits are `0`, `01` and `000000`: 1,000,000 hundred-millionths.
        let e8 = parse_whole_number(&[whole, fraction, zeros].concat())?;
        (e8 > 0).then(|| Self { text: text.to_owned(), e8 })
    }

    /// Returns the value of an amount in satoshis, given how many hundred-millionths of a satoshi one unit of the currency is
    /// worth. Returns `None` if the value is not a positive number of hundred-millionths, or if `currency` is not three
    /// upper-case letters.
    pub fn of_sats(sats: u64, sats_per_unit_e8: u64, currency: &str) -> Option<Self> {
        // The cast of a float saturates. An amount that is too large is refused below.
        let e8 = (sats as f64 * 1e16 / sats_per_unit_e8 as f64) as u64;
        let amount = Self { text: String::new(), e8 }.amount();
        Self::parse(&[&amount, " ", currency].concat())
    }

    /// Returns the amount and the currency as they were written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the amount without the currency, as a JSON number.
    pub fn amount(&self) -> String {
        let (whole, fraction) = (self.e8.checked_div(E8), self.e8.checked_rem(E8));
        let text = format!("{}.{:08}", whole.unwrap_or_default(), fraction.unwrap_or_default());
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    pub fn currency(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, currency)| currency)
    }

    /// Whether this amount is enough to pay `price`: it has the same currency and is not lower.
    pub fn covers(&self, price: &Self) -> bool {
        self.currency() == price.currency() && self.e8 >= price.e8
    }
}

/// Parses decimal digits; `None` for any other text, and for a number that JavaScript cannot represent exactly.
pub fn parse_whole_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value| *value <= MAX_SAFE_INTEGER)
}

/// The highest price of a request, in satoshis: the limit of LNbits for one invoice.
pub const MAX_SATS: u64 = 10_000_000;
/// The largest integer that JavaScript represents exactly.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// The number of hundred-millionths in one unit of a currency.
const E8: u64 = 100_000_000;
