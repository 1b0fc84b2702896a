//! Runs `edgetoll deploy`: the steps in their order. Stops at the first one that fails.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, thread};

use clap::Args;

use super::outside;
use super::routes::{Addresses, judge_fail_closed};
use super::secrets::{Known, MissingSecret, Source, is_new_worker, missing};
use super::wrangler::{self, Options};
use crate::cli::check::document::Document;
use crate::cli::check::{Severity, check};
use crate::cli::doctor::command::{examine_settings, examine_wallets, read_dev_vars};
use crate::cli::doctor::dev_vars::{self, Entry};
use crate::cli::doctor::origin::{is_healthy, judge_public_url};
use crate::cli::doctor::report::{Check, CheckResult, Level, Tally};
use crate::cli::doctor::settings::{Sources, VariableReader};
use crate::cli::http::{Answer, Http, HttpError};
use crate::cli::secret::new_secret;
use crate::cli::{could_not_run, print_line, read_text, wrangler_file};
use crate::http::url::{host, is_loopback};
use crate::policy::Policy;
use crate::strict_json::Json;

#[derive(Args)]
pub struct DeployArguments {
    /// The Wrangler file [default: wrangler.toml, wrangler.json or wrangler.jsonc in the current folder]
    file: Option<PathBuf>,
    /// The environment of the Wrangler file that is deployed [default: the top level]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Show what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Set the missing secrets without a question. TOLL_SECRET becomes a new random value; the others are read from the
    /// environment variables of the same name, or from .dev.vars
    #[arg(long)]
    set_secrets: bool,
}

/// Returns the exit code: 0 if the deployment was tried without failures, 1 if a step failed, and 2 if a file cannot be read.
pub fn run(arguments: DeployArguments) -> ExitCode {
    match Deployment::read(arguments) {
        Ok(mut deployment) => deployment.run(),
        Err(message) => could_not_run(&message),
    }
}

struct Deployment {
    arguments: DeployArguments,
    file: PathBuf,
    text: String,
    document: Document,
    /// The secrets in `.dev.vars`, or in `.dev.vars.NAME` for an environment; other settings of that file are for
    /// `wrangler dev` only.
    dev_vars: String,
    dev_vars_name: String,
    tally: Tally,
}

/// Why the command stops before the deployment.
struct Stopped;

impl Deployment {
    fn read(arguments: DeployArguments) -> Result<Self, String> {
        let file = wrangler_file(arguments.file.clone()).ok_or(
            "this folder has no Wrangler file: run `npx edgetoll init`, or give the path of the file",
        )?;
        let text = read_text(&file)?;
        let document = Document::read(&file.display().to_string(), &text);
        // The check prints the reason.
        let document = match document {
            Ok(document) => document,
            Err(_) => {
                return Err(check(&file.display().to_string(), &text).to_string().trim_end().to_owned());
            }
        };
        let folder = file.parent().unwrap_or(Path::new(""));
        let (dev_vars_name, dev_vars) = read_dev_vars(folder, arguments.env.as_deref())?.unwrap_or_default();
        Ok(Self { arguments, file, text, document, dev_vars, dev_vars_name, tally: Tally::default() })
    }

    fn run(&mut self) -> ExitCode {
        let ended = self.prepare().and_then(|()| self.deploy()).and_then(|target| self.try_outside(target));
        let _ = print_line(self.tally);
        match ended {
            Ok(()) if !self.tally.has_failed() => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    /// Checks the configuration, the secrets and the wallets.
    fn prepare(&mut self) -> Result<(), Stopped> {
        self.heading("Configuration");
        let report = check(&self.file.display().to_string(), &self.text);
        let _ = print_line(report.to_string().trim_end());
        if report.count(Severity::Error) > 0 {
            return self.stop("nothing was deployed: correct the errors, and run the command again");
        }
        self.heading("Secrets");
        self.secrets()?;
        self.heading("Wallets and origin");
        self.doctor()
    }

    /// Finds the missing secrets, and sets them.
    fn secrets(&mut self) -> Result<(), Stopped> {
        let options = Options { is_captured: true, ..Options::default() };
        let list = self.wrangler(&["secret", "list", "--format", "json"], &options)?;
        let names = list.is_success.then(|| Json::parse(list.output.trim().as_bytes())).flatten();
        let name = |secret: &Json| secret.get("name").and_then(Json::as_str).map(str::to_owned);
        let on_cloudflare: Vec<String> = match names.as_ref().and_then(Json::as_array) {
            Some(secrets) => secrets.iter().filter_map(name).collect(),
            None if !list.is_success && is_new_worker(&list.error) => {
                let sentence = "Cloudflare has no secrets, because this Worker does not exist yet";
                self.report(CheckResult::new(Level::Warn, Check::Secrets, sentence));
                Vec::new()
            }
            None => return self.secrets_are_unknown(&list.error),
        };
        let missing = self.missing_secrets(&on_cloudflare)?;
        if missing.is_empty() {
            self.report(CheckResult::new(
                Level::Ok,
                Check::Secrets,
                "Cloudflare has all secrets that the price list needs",
            ));
        }
        for secret in missing {
            self.set(secret)?;
        }
        Ok(())
    }

    /// Reports that Cloudflare does not list the secrets. `message` is that of Wrangler.
    fn secrets_are_unknown(&mut self, message: &str) -> Result<(), Stopped> {
        eprintln!("{}", message.trim_end());
        let is_dry_run = self.arguments.dry_run;
        let level = if is_dry_run { Level::Warn } else { Level::Fail };
        let sentence = "Cloudflare does not list the secrets, so it is not known which are missing: see the message of Wrangler, \
                        and run `npx wrangler login` if you are not logged in";
        self.report(CheckResult::new(level, Check::Secrets, sentence));
        if is_dry_run { Ok(()) } else { self.stop("nothing was deployed, and no secret was set") }
    }

    fn missing_secrets(&mut self, on_cloudflare: &[String]) -> Result<Vec<MissingSecret>, Stopped> {
        let result = self.with_reader(|reader| {
            let policy = reader.price_list();
            let known = Known {
                var: &|name| reader.in_vars(name),
                process_environment: &|name| env::var(name).ok().filter(|value| !value.is_empty()),
                dev_vars: &|name| dev_vars::get(&self.dev_vars, name).filter(|value| !value.is_empty()),
                dev_vars_name: &self.dev_vars_name,
                sells: policy.is_some_and(|policy| policy.routes.iter().any(|route| route.is_sold())),
            };
            missing(&known, on_cloudflare)
        });
        result.map_err(|message| {
            let _ = print_line(message);
            Stopped
        })
    }

    /// Sets a secret, or says how to set it.
    fn set(&mut self, secret: MissingSecret) -> Result<(), Stopped> {
        let MissingSecret { name, is_required, source } = secret;
        let option = self.arguments.env.as_ref().map_or(String::new(), |name| format!(" --env {name}"));
        let origin = match &source {
            Source::Random => "a new random value".to_owned(),
            Source::Local { from, .. } => format!("its value in {from}"),
            Source::Unknown => "the value that you enter".to_owned(),
        };
        if self.arguments.dry_run {
            let level = if is_required { Level::Warn } else { Level::Skip };
            let sentence = format!("{name} is missing on Cloudflare: it would be set to {origin}");
            self.report(CheckResult::new(level, Check::Secrets, sentence));
            return Ok(());
        }
        let asks = io::stdin().is_terminal() && !self.arguments.set_secrets;
        let wanted = self.arguments.set_secrets && source != Source::Unknown
            || asks
                && answer(&format!("{name} is missing on Cloudflare. Set it to {origin}? [Y/n]: "))
                    .is_none_or(|answer| !answer.starts_with(['n', 'N']));
        if !wanted {
            let sentence = format!(
                "{name} is missing on Cloudflare: set it with `npx wrangler secret put {name}{option}`"
            );
            let level = if is_required { Level::Fail } else { Level::Skip };
            self.report(CheckResult::new(level, Check::Secrets, sentence));
            return if is_required { self.stop("nothing was deployed") } else { Ok(()) };
        }
        let value = match source {
            Source::Random => match new_secret() {
                Ok(secret) => Some(secret),
                Err(message) => return self.stop(&format!("nothing was deployed: {message}")),
            },
            Source::Local { value, .. } => Some(value),
            // Wrangler asks for it, and does not show it on the terminal.
            Source::Unknown => None,
        };
        let options = Options { input: value.as_deref(), ..Options::default() };
        let put = self.wrangler(&["secret", "put", name], &options)?;
        let (level, sentence) = match put.is_success {
            true => (Level::Ok, format!("{name} is set to {origin}")),
            false => (
                Level::Fail,
                format!("{name} could not be set: run `npx wrangler secret put {name}{option}`"),
            ),
        };
        self.report(CheckResult::new(level, Check::Secrets, sentence));
        if put.is_success { Ok(()) } else { self.stop("nothing was deployed") }
    }

    /// Runs the doctor. Its requests to the wallets create an invoice, so a dry run sends none.
    fn doctor(&mut self) -> Result<(), Stopped> {
        let mut findings = Vec::new();
        let is_dry_run = self.arguments.dry_run;
        let result = self.with_sources(|sources, reader| {
            let mut report = |finding: CheckResult| {
                let _ = print_line(&finding);
                findings.push(finding.level);
            };
            examine_settings(sources, reader, &mut report);
            match is_dry_run {
                true => print_line(
                    "The wallets are not asked in a dry run, because each test creates an invoice.",
                )
                .map_err(|error| error.to_string()),
                false => examine_wallets(sources, reader, &mut report),
            }
        });
        findings.iter().for_each(|level| self.tally.count(*level));
        if let Ok(Err(message)) | Err(message) = result {
            let sentence = format!("the wallets are not tested: {message}");
            self.report(CheckResult::new(Level::Warn, Check::Reachable, sentence));
        }
        if findings.contains(&Level::Fail) {
            return self.stop("nothing was deployed: correct the failures, and run the command again");
        }
        Ok(())
    }

    /// Deploys. Returns the URL at which the deployment is tried.
    fn deploy(&mut self) -> Result<Option<String>, Stopped> {
        self.heading("Deployment");
        if self.arguments.dry_run {
            if !self.wrangler(&["deploy", "--dry-run"], &Options::default())?.is_success {
                let sentence = "Wrangler could not bundle the Worker: see its message";
                self.report(CheckResult::new(Level::Fail, Check::Deployed, sentence));
                return Err(Stopped);
            }
            self.report(CheckResult::new(
                Level::Skip,
                Check::Deployed,
                "not deployed, because this is a dry run",
            ));
            return Ok(None);
        }
        let report_file = self.file.with_file_name(".wrangler/edgetoll-deploy.jsonl");
        // An earlier report, or a folder that cannot be made, only means that the address at workers.dev is not known.
        let _ = fs::create_dir_all(self.file.with_file_name(".wrangler"));
        let _ = fs::remove_file(&report_file);
        let path = report_file.display().to_string();
        let ended =
            self.wrangler(&["deploy"], &Options { report_file: Some(&path), ..Options::default() })?;
        if !ended.is_success {
            self.report(CheckResult::new(
                Level::Fail,
                Check::Deployed,
                "Wrangler has not deployed the Worker: see its message",
            ));
            return Err(Stopped);
        }
        self.report(CheckResult::new(Level::Ok, Check::Deployed, "Wrangler has deployed the Worker"));
        Ok(workers_dev(&fs::read_to_string(&report_file).unwrap_or_default()))
    }

    /// Tries the deployment, as a client on the Internet would.
    fn try_outside(&mut self, workers_dev: Option<String>) -> Result<(), Stopped> {
        self.heading("From outside");
        let addresses = Addresses::read(self.document.root(), self.arguments.env.as_deref());
        let read = self.with_reader(|reader| {
            (reader.price_list(), reader.in_vars("PUBLIC_URL"), reader.in_vars("ORIGIN_URL"))
        });
        let Ok((policy, public_url, origin_url)) = read else { return Err(Stopped) };
        let given =
            public_url.map(|url| (url, "PUBLIC_URL")).or_else(|| Some((addresses.public_url()?, "routes")));
        let Some((url, source)) = given.or_else(|| Some((workers_dev.clone()?, "Wrangler"))) else {
            let sentence = "the URL of the Worker is not known, so it is not tried: set PUBLIC_URL";
            self.report(CheckResult::new(Level::Skip, Check::PublicUrl, sentence));
            return Ok(());
        };
        let base = url.trim().trim_end_matches('/').to_owned();
        let Some(policy) = policy else { return Err(Stopped) };
        if self.arguments.dry_run {
            let sentence = format!("after the deployment, {base} would be tried");
            self.report(CheckResult::new(Level::Skip, Check::PublicUrl, sentence));
        } else {
            self.try_url(&base, source, &policy, origin_url.as_deref(), workers_dev.as_deref());
        }
        addresses.judge().into_iter().for_each(|finding| self.report(finding));
        self.check_fail_closed(&addresses);
        Ok(())
    }

    fn try_url(
        &mut self,
        base: &str,
        source: &str,
        policy: &Policy,
        origin_url: Option<&str>,
        workers_dev: Option<&str>,
    ) {
        let http = Http::new(base);
        let health = format!("{base}{}/health", policy.prefix);
        // A new deployment reaches all places of Cloudflare within seconds.
        let answer = (0..TRIES)
            .map(|attempt| {
                if attempt > 0 {
                    thread::sleep(PAUSE);
                }
                http.get(&health)
            })
            .find(is_healthy)
            .unwrap_or_else(|| http.get(&health));
        self.report(judge_public_url(&answer, source));
        let Some(route) = outside::route_to_try(policy) else {
            let sentence = "not tried: no route without a free tier is sold for GET";
            return self.report(CheckResult::new(Level::Skip, Check::Challenge, sentence));
        };
        let path = route.pattern.sample();
        let answer = http.get(&format!("{base}{path}")).answer;
        self.report(outside::judge_challenge(&path, route, &policy.network, &answer));
        if let Some(other) = workers_dev.filter(|other| other.trim_end_matches('/') != base) {
            let answer = self.get(&format!("{}{path}", other.trim_end_matches('/')));
            self.report(outside::judge_other_address(other, &answer));
        }
        if let Some(origin) = origin_url.map(|origin| origin.trim().trim_end_matches('/')) {
            let answer = self.get(&format!("{origin}{path}"));
            self.report(outside::judge_origin(origin, &answer));
        }
    }

    /// Checks at Cloudflare that the routes fail closed, if there is a token for its API.
    fn check_fail_closed(&mut self, addresses: &Addresses) {
        if addresses.patterns.is_empty() {
            return;
        }
        let token = env::var("CLOUDFLARE_API_TOKEN").ok().filter(|token| !token.is_empty());
        let (Some(token), Some(zone)) = (token, addresses.zones.first()) else {
            let sentence = "not checked, because there is no CLOUDFLARE_API_TOKEN or no zone_name: see in the dashboard of \
                            Cloudflare, below Workers Routes, that each route is set to fail closed";
            return self.report(CheckResult::new(Level::Skip, Check::FailClosed, sentence));
        };
        let api = env::var("CLOUDFLARE_API_BASE_URL").unwrap_or_else(|_| CLOUDFLARE_API.to_owned());
        let http = Http::new(&api);
        let get = |path: &str| {
            let answer =
                http.get_authorized(&format!("{api}{path}"), Some(&format!("Bearer {token}"))).answer;
            Json::parse(&answer.ok()?.body)
        };
        let zones = get(&format!("/zones?name={zone}"));
        let id =
            zones.as_ref().and_then(|zones| zones.get("result")?.as_array()?.first()?.get("id")?.as_str());
        let listed = id.and_then(|id| get(&format!("/zones/{id}/workers/routes")));
        self.report(judge_fail_closed(&addresses.patterns, listed.as_ref()));
    }

    fn get(&self, url: &str) -> Result<Answer, HttpError> {
        Http::new(url).get(url).answer
    }

    /// Runs Wrangler for the deployed file and environment.
    fn wrangler(&mut self, arguments: &[&str], options: &Options<'_>) -> Result<wrangler::Ended, Stopped> {
        let file = self.file.display().to_string();
        let mut all = arguments.to_vec();
        all.extend(["--config", &file]);
        // Without this option, Wrangler warns if the file has environments.
        all.extend(["--env", self.arguments.env.as_deref().unwrap_or_default()]);
        wrangler::run(&all, options).ok_or_else(|| {
            eprintln!("edgetoll: Wrangler is not installed in this folder: run `npm install`");
            Stopped
        })
    }

    fn with_sources<T>(
        &self,
        read: impl FnOnce(&Sources<'_>, &VariableReader<'_>) -> T,
    ) -> Result<T, String> {
        let name = self.file.display().to_string();
        let secrets = self.secrets_of_dev_vars();
        let sources = Sources {
            process_environment: &|name| env::var(name).ok(),
            dev_vars: Some((&self.dev_vars_name, &secrets)),
            file: Some((&name, &self.document)),
            environment: self.arguments.env.as_deref(),
        };
        let reader = VariableReader::new(&sources).map_err(|error| error.to_string())?;
        Ok(read(&sources, &reader))
    }

    fn with_reader<T>(&self, read: impl FnOnce(&VariableReader<'_>) -> T) -> Result<T, String> {
        self.with_sources(|_, reader| read(reader))
    }

    /// Returns the settings of `.dev.vars` that also hold for the deployment: its secrets, without TOLL_SECRET, which is another one
    /// there, and without the key of an LNbits on this machine.
    fn secrets_of_dev_vars(&self) -> String {
        let is_local = |value: &str| {
            let authority =
                value.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
            is_loopback(host(authority))
        };
        let entries = dev_vars::entries(&self.dev_vars);
        let sets = |entry: &Entry, prefix: &str| {
            entry.setting.as_ref().is_some_and(|(name, _)| name.starts_with(prefix))
        };
        let has_own_wallet = entries.iter().any(|entry| sets(entry, "LNBITS_URL"));
        let is_other = |entry: &Entry| {
            entry.setting.as_ref().is_some_and(|(_, value)| is_local(value))
                || sets(entry, "LNBITS_URL")
                || sets(entry, "TOLL_SECRET")
                || has_own_wallet && sets(entry, "LNBITS_KEY")
        };
        entries.iter().filter(|entry| !is_other(entry)).map(|entry| format!("{}\n", entry.text)).collect()
    }

    fn heading(&self, text: &str) {
        let _ = print_line(format!("\n{text}"));
    }

    fn report(&mut self, finding: CheckResult) {
        self.tally.count(finding.level);
        let _ = print_line(finding);
    }

    fn stop<T>(&self, sentence: &str) -> Result<T, Stopped> {
        let _ = print_line(format!("\nStopped: {sentence}"));
        Err(Stopped)
    }
}

/// Returns the address at workers.dev in a report of Wrangler.
fn workers_dev(report: &str) -> Option<String> {
    let targets = report
        .lines()
        .filter_map(|line| Json::parse(line.as_bytes())?.get("targets")?.as_array().map(<[Json]>::to_vec));
    let is_workers_dev = |url: &String| url.starts_with("https://") && url.ends_with(".workers.dev");
    targets.flatten().filter_map(|target| target.as_str().map(str::to_owned)).find(is_workers_dev)
}

/// Asks a question on the terminal. Returns `None` if the answer is empty.
fn answer(question: &str) -> Option<String> {
    let _ = write!(io::stdout(), "{question}");
    let _ = io::stdout().flush();
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);
const CLOUDFLARE_API: &str = "https://api.cloudflare.com/client/v4";
