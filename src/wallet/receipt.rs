//! What a wallet says of our payments when the books are kept: of one, or as a list.

use super::lnbits::{Lnbits, PAYMENTS, TAG, read, text, whole_sats};
use super::{WalletError, WalletRequest, WalletResponse};
use crate::bolt11::Bolt11;
use crate::payment::PaymentHash;
use crate::strict_json::Json;

/// A payment of ours that the wallet calls paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its name.
    pub payment_hash: PaymentHash,
    /// What arrived.
    pub amount_sats: u64,
    /// The pattern of the route that sold it.
    pub route: String,
    /// The pseudonym of whoever asked for the invoice.
    pub client: Option<String>,
    /// When the invoice was made.
    pub minted_unix: u64,
    /// When it was paid, as the wallet writes it (ISO 8601).
    pub settled: String,
}

impl Receipt {
    /// Reads a payment of LNbits'; `None` where it is not paid, or not one of ours. LNbits ignores a filter that it cannot
    /// read, so nothing is taken for granted of a list.
    fn read(payment: &Json) -> Option<Self> {
        let invoice = our_invoice(payment)?;
        if payment.get("status")?.as_str()? != "success" {
            return None;
        }
        let extra = payment.get("extra")?;
        let text = |object: &Json, key: &str| object.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            payment_hash: invoice.payment_hash(),
            // That of an outgoing payment is negative.
            amount_sats: whole_sats(payment.get("amount")?.as_u64())?,
            route: text(extra, "route")?,
            client: text(extra, "c"),
            minted_unix: invoice.timestamp_unix(),
            settled: text(payment, "updated_at").or_else(|| text(payment, "time")).unwrap_or_default(),
        })
    }
}

/// A payment that may still arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub payment_hash: PaymentHash,
    /// When its invoice was made.
    pub made_unix: u64,
    /// When it ends.
    pub expires_unix: u64,
}

/// Those of them that end within so many seconds: the first to end first, and no more than that.
pub fn expiring_first(
    mut pending: Vec<Pending>,
    now_unix: u64,
    within_s: u64,
    most: usize,
) -> Vec<PaymentHash> {
    let soon_unix = now_unix.saturating_add(1)..=now_unix.saturating_add(within_s);
    pending.retain(|one| soon_unix.contains(&one.expires_unix));
    let mut first = Vec::new();
    while first.len() < most
        // Of those that end together, the last of the list, which was made first.
        && let Some((at, _)) = pending.iter().enumerate().rev().min_by_key(|(_, one)| one.expires_unix)
    {
        first.push(pending.remove(at).payment_hash);
    }
    first
}

/// A piece of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct PaymentPage<T> {
    /// Those that are ours, and what was asked for.
    pub ours: Vec<T>,
    /// How many there are in all.
    pub rows: usize,
    /// When the first was changed last, as LNbits writes it.
    pub first: Option<String>,
    /// The same of the last.
    pub last: Option<String>,
}

/// Which payments are listed. LNbits compares times as its database has them, in a zone of its own: so none is asked for by
/// its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentList {
    /// Those that are paid, last changed first.
    Paid,
    /// Those that are not, and still may be, newest first.
    Pending,
}

impl Lnbits {
    /// What is sent for a piece of a list.
    pub fn list(&self, list: PaymentList, offset: usize, limit: usize) -> WalletRequest {
        let which = match list {
            PaymentList::Paid => "status=success&sortby=updated_at",
            PaymentList::Pending => "status=pending&sortby=time",
        };
        let path =
            format!("{PAYMENTS}/paginated?tag={TAG}&{which}&direction=desc&limit={limit}&offset={offset}");
        WalletRequest { max_response_bytes: MAX_PAGE_BYTES, ..self.get(&path, true) }
    }

    /// Reads a list of paid ones.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read_paid(&self, answer: &WalletResponse) -> Result<PaymentPage<Receipt>, WalletError> {
        read_page(answer, Receipt::read)
    }

    /// Reads a list of those that may still be paid.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read_pending(&self, answer: &WalletResponse) -> Result<PaymentPage<Pending>, WalletError> {
        read_page(answer, |payment| {
            let invoice = our_invoice(payment)?;
            let is_pending = payment.get("status")?.as_str()? == "pending";
            is_pending.then(|| Pending {
                payment_hash: invoice.payment_hash(),
                made_unix: invoice.timestamp_unix(),
                expires_unix: invoice.expires_at_unix(),
            })
        })
    }

    /// Reads the answer to a look-up for the books; `None` where the payment is not paid, or not one of ours.
    ///
    /// # Errors
    /// Where LNbits does not say.
    pub fn read_receipt(
        &self,
        payment_hash: &PaymentHash,
        answer: &WalletResponse,
    ) -> Result<Option<Receipt>, WalletError> {
        if answer.status == 404 {
            return Err(WalletError::UnknownPayment);
        }
        let answer = read(answer, 200)?;
        let is_paid = answer.get("paid").and_then(Json::as_bool).ok_or(WalletError::Missing("paid"))?;
        let receipt = answer.get("details").and_then(Receipt::read);
        Ok(receipt.filter(|receipt| is_paid && receipt.payment_hash == *payment_hash))
    }
}

/// The invoice of a payment that carries our tag.
fn our_invoice(payment: &Json) -> Option<Bolt11> {
    if payment.get("extra")?.get("tag")?.as_str()? != TAG {
        return None;
    }
    let invoice = Bolt11::parse(payment.get("bolt11")?.as_str()?).ok()?;
    let hash = PaymentHash::from_hex(payment.get("payment_hash")?.as_str()?)?;
    (invoice.payment_hash() == hash).then_some(invoice)
}

fn read_page<T>(
    answer: &WalletResponse,
    ours: impl Fn(&Json) -> Option<T>,
) -> Result<PaymentPage<T>, WalletError> {
    let answer = read(answer, 200)?;
    let rows = answer.get("data").and_then(Json::as_array).ok_or(WalletError::Missing("data"))?;
    let changed = |row: Option<&Json>| text(row?, "updated_at").ok().map(str::to_owned);
    Ok(PaymentPage {
        ours: rows.iter().filter_map(ours).collect(),
        rows: rows.len(),
        first: changed(rows.first()),
        last: changed(rows.last()),
    })
}

/// How many payments are asked for at once.
pub const PAGE_ROWS: usize = 50;
/// A payment takes 2 KB, or ten where everything in it is as long as it can be.
const MAX_PAGE_BYTES: usize = 1_048_576;
