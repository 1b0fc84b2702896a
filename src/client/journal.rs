//! The journal: every payment of the client and what it bought, in a file that survives a crash.
//!
//! A payment is written, and the file is synced, before the wallet gets the invoice. So a process that is killed at any
//! time leaves a record of the payment, and the next process resumes it. Each line is the newest state of one payment as
//! JSON. Several processes may use one file: a lock is held while a state is read and changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::offer::ProofKind;
use super::terms::{self, Terms};

/// A payment, and the credential that it bought. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// 64 hexadecimal digits.
    pub payment_hash: String,
    /// When the payment was begun, in Unix seconds.
    pub at_unix: u64,
    /// Scheme, host and port of the server.
    pub origin: String,
    pub host: String,
    /// The URL of the request that was paid for; empty in a journal of version 0.1.0.
    #[serde(default)]
    pub url: String,
    /// The path of this URL.
    pub path: String,
    pub method: String,
    pub amount_sats: u64,
    /// The routing fee in millisatoshis, if the wallet told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_msat: Option<u64>,
    pub wallet: String,
    pub state: State,
    pub invoice: String,
    /// The last second in which the invoice can be paid, in Unix time.
    pub expires_at_unix: u64,
    /// What else is sold for the same payment: see [`Scope`].
    pub scope: Scope,
    /// `L402` or `LSAT`; `None` if the preimage alone is the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macaroon: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
    /// The last second in which the credential is valid, in Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix: Option<u64>,
    /// Whether the server has accepted the payment at least once.
    #[serde(default)]
    pub was_accepted: bool,
    /// Whether the server refused the payment right after it was made.
    #[serde(default)]
    pub was_refused: bool,
    /// Whether the answer to the first request with this credential was not received. Such a request may have taken a use.
    #[serde(default)]
    pub is_unanswered: bool,
    /// Whether the call that paid got no content: the answer was lost, or was an error.
    #[serde(default)]
    pub was_unserved: bool,
    /// URLs for which the server did not accept the credential, although it accepts it for others.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unfit: BTreeSet<String>,
}

/// The requests that a payment pays for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// In upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `ip` and the number of uses if the macaroon limits these, and the currency of its price. A credential that lacks one of them is
    /// not valid for each page of its realm, and one with other uses ends earlier there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kinds: BTreeSet<String>,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The wallet may have the invoice. The money counts as spent.
    Sent,
    /// The payment was made, and its credential can be used.
    Paid,
    /// The payment was made, and its credential is used up, expired, or no longer accepted.
    Used,
    /// Nothing was paid.
    Unpaid,
}

impl Payment {
    /// Whether the money is spent or may be.
    pub fn counts(&self) -> bool {
        self.state != State::Unpaid
    }

    /// Whether the credential can be sent.
    pub fn is_usable(&self, now_unix: u64) -> bool {
        self.state == State::Paid && self.until_unix.is_none_or(|until| until >= now_unix)
    }

    /// Returns amount and fee in satoshis, rounded up.
    pub fn spent_sats(&self) -> u64 {
        self.amount_sats.saturating_add(self.fee_msat.unwrap_or(0).div_ceil(1000))
    }

    /// Whether a request whose answer was not received may have taken the last use.
    pub fn may_be_spent(&self) -> bool {
        let is_counted = self.scope.kinds.iter().any(|kind| kind.starts_with("uses "));
        self.is_unanswered && (is_counted || self.proof() == ProofKind::Preimage)
    }

    /// Whether the process that pays for one use may still wait for its answer.
    pub fn is_in_use(&self, now_unix: u64) -> bool {
        let is_recent = self.at_unix.saturating_add(IN_USE_S) > now_unix;
        self.is_unanswered && !self.was_unserved && is_recent && self.scope.kinds.contains("uses 1")
    }

    /// Whether this payment was made for a URL although another one for the same content may be paid: with `--pay-again`, after the invoice
    /// had expired.
    pub fn replaces(&self, begun: &Self, url: &str) -> bool {
        let is_for_url = self.url == begun.url || self.url == url;
        let is_other = self.payment_hash != begun.payment_hash;
        is_other && is_for_url && self.counts() && self.at_unix > begun.expires_at_unix
    }

    /// Returns how the payment is proven.
    pub fn proof(&self) -> ProofKind {
        match (&self.scheme, &self.macaroon) {
            (Some(scheme), Some(macaroon)) => {
                ProofKind::L402 { scheme: scheme.clone(), macaroon: macaroon.clone() }
            }
            _ => ProofKind::Preimage,
        }
    }

    /// Reads the scope from the macaroon. Older versions wrote a part of it.
    fn with_scope(mut self) -> Self {
        if let Some(terms) = self.macaroon.as_deref().map(Terms::of_macaroon).filter(|terms| terms.is_known) {
            self.scope = terms.scope;
        }
        self
    }

    /// Keeps what another process has written about the same payment meanwhile: money that is spent stays spent, and a
    /// preimage stays known.
    fn merge(&mut self, known: &Self) {
        let is_older = matches!(self.state, State::Sent | State::Unpaid) || known.state == State::Used;
        if matches!(known.state, State::Paid | State::Used) && is_older {
            self.state = known.state;
        }
        self.preimage = self.preimage.take().or_else(|| known.preimage.clone());
        self.fee_msat = self.fee_msat.or(known.fee_msat);
        self.was_accepted |= known.was_accepted;
        // A credential that was accepted before is used up: the server is honest.
        self.was_refused &= !self.was_accepted;
    }

    /// Whether this payment is expected to pay for a request.
    pub fn covers(&self, origin: &str, path: &str, method: &str) -> bool {
        let macaroon = self.macaroon.as_deref().unwrap_or_default();
        let is_endpoint =
            |endpoint: &String| endpoint == path || endpoint == terms::comparable(path, macaroon);
        let is_method = |sold: &String| sold == method || (sold == "GET" && method == "HEAD");
        self.origin == origin
            && self.scope.endpoint.as_ref().is_none_or(is_endpoint)
            && self.scope.method.as_ref().is_none_or(is_method)
    }
}

impl std::fmt::Debug for Payment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Payment({}, {} sats to {}, {:?})",
            self.payment_hash, self.amount_sats, self.host, self.state
        )
    }
}

/// Why the journal could not be read or written. Nothing is paid without a journal.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} cannot be used: {source}", path.display())]
pub struct JournalError {
    path: PathBuf,
    source: io::Error,
}

/// All payments, in a file or only in memory.
pub struct Journal {
    path: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    payments: BTreeMap<String, Payment>,
    /// The bytes of the file that have been read.
    read_to: u64,
}

impl Journal {
    /// Keeps the payments in memory. They are lost when the process ends.
    pub fn in_memory() -> Self {
        Self { path: None, known: Mutex::default() }
    }

    /// Keeps the payments in a file, which is created with mode 0600 if it is missing.
    ///
    /// # Errors
    /// Fails if the file or its folder cannot be created or read.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let journal = Self { path: Some(path.to_owned()), known: Mutex::default() };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| journal.error(error))?;
        }
        journal.transact(|_| ((), None))?;
        Ok(journal)
    }

    /// Returns all payments, the newest first.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn payments(&self) -> Result<Vec<Payment>, JournalError> {
        let mut payments = self.transact(|known| (known.values().cloned().collect::<Vec<_>>(), None))?;
        payments.sort_by(|a, b| b.at_unix.cmp(&a.at_unix).then_with(|| a.payment_hash.cmp(&b.payment_hash)));
        Ok(payments)
    }

    /// Writes the state of a payment, merged with the state that another process has written meanwhile.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(&self, payment: &mut Payment) -> Result<(), JournalError> {
        self.transact(|all| {
            if let Some(known) = all.get(&payment.payment_hash) {
                payment.merge(known);
            }
            ((), Some(payment.clone()))
        })
    }

    /// Lets `decide` read all payments and return a changed or new one, which is written before another process can
    /// read or write.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written.
    pub fn transact<T>(
        &self,
        decide: impl FnOnce(&BTreeMap<String, Payment>) -> (T, Option<Payment>),
    ) -> Result<T, JournalError> {
        let mut known = self.lock();
        let Some(path) = &self.path else {
            let (result, changed) = decide(&known.payments);
            known.add(changed);
            return Ok(result);
        };
        let mut file = open_private(path).map_err(|error| self.error(error))?;
        file.lock().map_err(|error| self.error(error))?;
        known.read_new(&mut file).map_err(|error| self.error(error))?;
        let (result, changed) = decide(&known.payments);
        if let Some(changed) = changed {
            known.append(&mut file, changed).map_err(|error| self.error(error))?;
        }
        Ok(result)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, source: io::Error) -> JournalError {
        JournalError { path: self.path.clone().unwrap_or_default(), source }
    }
}

impl Known {
    fn add(&mut self, payment: Option<Payment>) {
        self.payments.extend(payment.map(|payment| (payment.payment_hash.clone(), payment)));
    }

    /// Reads the lines that were added since the last call. Fails at a line that cannot be read: without it, the client
    /// could pay twice. Only the end of the last line may be missing, because the process was killed while it wrote.
    fn read_new(&mut self, file: &mut File) -> io::Result<()> {
        file.seek(SeekFrom::Start(self.read_to))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
        bytes.truncate(complete);
        for line in bytes.split(|byte| *byte == b'\n') {
            // A killed process may have left an incomplete line, to which a later process has added its own.
            let line = line.rsplit(|byte| *byte == TORN).next().unwrap_or_default();
            if !line.is_empty() {
                let payment: Payment = serde_json::from_slice(line)?;
                self.add(Some(payment.with_scope()));
            }
        }
        self.read_to = self.read_to.saturating_add(complete as u64);
        Ok(())
    }

    /// Writes a line and waits until it is on the disk.
    fn append(&mut self, file: &mut File, payment: Payment) -> io::Result<()> {
        let is_torn = file.seek(SeekFrom::End(0))? > self.read_to;
        let mut line = if is_torn { vec![TORN] } else { Vec::new() };
        serde_json::to_writer(&mut line, &payment)?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_all()?;
        self.read_to = file.stream_position()?;
        self.add(Some(payment));
        Ok(())
    }
}

/// Opens a file that only its owner can read.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        // `/dev/null` would forget each payment.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// After this time, the process is assumed to be killed.
const IN_USE_S: u64 = 60;
/// Separates an incomplete line from the line that follows it. JSON contains no such character.
const TORN: u8 = 0x1e;
