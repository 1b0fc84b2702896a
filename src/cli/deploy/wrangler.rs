//! Runs Wrangler. It uses the terminal, because it may ask for the account or for a confirmation.

/// How Wrangler is run.
#[derive(Default)]
pub(super) struct Options<'a> {
    /// The standard input; the terminal otherwise.
    pub input: Option<&'a str>,
    /// Whether the standard output and the standard error are returned instead of shown.
    pub is_captured: bool,
    /// The file to which Wrangler writes what it has done, one JSON object per line.
    pub report_file: Option<&'a str>,
}

/// How Wrangler has ended.
pub(super) struct Ended {
    pub is_success: bool,
    /// The standard output, if it was captured.
    pub output: String,
    /// The standard error, if it was captured.
    pub error: String,
}

/// Runs Wrangler. Returns `None` if it is not installed.
#[cfg(not(target_os = "wasi"))]
pub(super) fn run(arguments: &[&str], options: &Options<'_>) -> Option<Ended> {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let output = || if options.is_captured { Stdio::piped() } else { Stdio::inherit() };
    let mut child = Command::new("npx")
        .args(["--no-install", "wrangler"])
        .args(arguments)
        .envs(options.report_file.map(|file| (REPORT_FILE, file)))
        .stdin(if options.input.is_some() { Stdio::piped() } else { Stdio::inherit() })
        .stdout(output())
        .stderr(output())
        .spawn()
        .ok()?;
    if let (Some(input), Some(mut stdin)) = (options.input, child.stdin.take()) {
        // If Wrangler reads no input, its exit code tells why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = child.wait_with_output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (output, error) = (text(&ended.stdout), text(&ended.stderr));
    Some(Ended { is_success: ended.status.success(), output, error })
}

#[cfg(target_os = "wasi")]
pub(super) fn run(arguments: &[&str], options: &Options<'_>) -> Option<Ended> {
    use serde_json::{Value, json};

    let ended = crate::cli::node::call(&json!({
        "call": "wrangler",
        "args": arguments,
        "input": options.input,
        "isCaptured": options.is_captured,
        "env": options.report_file.map_or(json!({}), |file| json!({ REPORT_FILE: file })),
    }));
    let status = ended.get("status").and_then(Value::as_u64)?;
    let text = |name: &str| ended.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Ended { is_success: status == 0, output: text("output"), error: text("error") })
}

const REPORT_FILE: &str = "WRANGLER_OUTPUT_FILE_PATH";
