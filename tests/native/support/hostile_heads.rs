//! Hostile requests: their heads are made to cost as much CPU time as possible. A test and the benchmark
//! `benches/core/head.rs` measure this time.

use edgetoll::base64::encode_standard;
use edgetoll::config::Settings;
use edgetoll::gate::Request;
use edgetoll::http::cookie;
use edgetoll::http::url::RequestUrl;
use edgetoll::pages::pay_page;
use edgetoll::policy::normalization::fold_case;
use edgetoll::protocols::l402::cookie::invalid_names;
use edgetoll::protocols::l402::credential::{OtherCarriers, may_contain_own_macaroon};

/// Makes the hostile part of a request: a text of about this many bytes.
type Part = fn(usize) -> String;

/// A hostile request.
pub struct HostileHead {
    pub name: &'static str,
    pub path: Part,
    pub query: Part,
    /// The header that is hostile, if any, and its value.
    pub header: &'static str,
    pub value: Part,
}

/// A price list with conditions on the query and on a header.
const PRICE_LIST: &str = r#"{ "cors": ["https://app.test"], "routes": [
    { "path": "/free", "sats": 0 },
    { "path": "/files/:name/*", "methods": ["GET", "POST"], "sats": 7 },
    { "path": "/sold", "description": "{query.q} {path}", "price": [
        { "when": { "query": { "size": ["large", "*huge*"] } }, "sats": 9 },
        { "when": { "header": { "User-Agent": ["*GPTBot*", "*ClaudeBot*", "*Bytespider*", "curl/*", "*bot"] } }, "sats": 8 },
        { "sats": 5 }
    ] }
] }"#;

impl HostileHead {
    /// Does everything that the Worker does with a request before it calls a wallet or the origin. `bytes` is the size of
    /// the hostile part.
    pub fn handle(&self, settings: &Settings, bytes: usize) -> impl Fn() {
        let (path, query, value) = ((self.path)(bytes), (self.query)(bytes), (self.value)(bytes));
        let url = format!("https://x{path}{}{query}", if query.is_empty() { "" } else { "?" });
        let keys = settings.keys().unwrap();
        let macaroons = (self.header == "Macaroon").then_some(value.clone());
        move || {
            let header = |name: &str| (name == self.header).then(|| value.clone());
            let (authorization, cookies) = (header("Authorization"), header("Cookie"));
            let request = Request {
                url: RequestUrl::parse(&url).unwrap(),
                method: "GET",
                client_ip: Some("192.0.2.1"),
                authorization: authorization.as_deref(),
                other_carriers: OtherCarriers {
                    macaroons: [macaroons.as_deref(), None],
                    ..OtherCarriers::default()
                },
                cookie: cookies.as_deref(),
                is_upgrade: false,
                is_preflight: false,
                is_prefetch: false,
                has_body: false,
                header: &header,
                edge: &|_| None,
            };
            let gate = settings.gate(settings.policy().unwrap(), &|_, _| None, &|_, _| false);
            std::hint::black_box(gate.decide(&request, 1_800_000_000));
            std::hint::black_box(pay_page::is_navigation("GET", header("Accept").as_deref(), None));
            if let Some(macaroons) = macaroons.as_deref() {
                std::hint::black_box(may_contain_own_macaroon(macaroons, keys, &mut 0));
            }
            if let Some(cookies) = cookies.as_deref() {
                std::hint::black_box(invalid_names(cookies, keys).count());
                std::hint::black_box(cookie::without(cookies, |name| name.starts_with("toll_")));
            }
        }
    }
}

/// Returns settings with a price list that reads every part of a request.
pub fn settings() -> Settings {
    let var = |name: &str| match name {
        "TOLL_SECRET" => Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned()),
        "LNBITS_URL" => Some("https://lnbits.test".to_owned()),
        "LNBITS_KEY" => Some("0123456789abcdef".to_owned()),
        _ => None,
    };
    let rules: Vec<String> = (0..40)
        .map(|n| {
            format!(
                r#"{{ "when": {{ "query": {{ "p{n}": "x" }}, "header": {{ "User-Agent": "*Robot{n}*" }} }}, "sats": {n} }}"#
            )
        })
        .collect();
    let conditions =
        format!(r#"{{ "path": "/conditions", "price": [{}, {{ "sats": 5 }}] }}"#, rules.join(","));
    let others: Vec<String> =
        (0..60).map(|n| format!(r#"{{ "path": "/other/{n}/*", "sats": {n} }}"#)).collect();
    let shapes: Vec<String> = (0..32_usize)
        .map(|n| {
            let segments: Vec<&str> =
                (0..5).map(|at| if n >> at & 1 == 1 { ":id" } else { "items" }).collect();
            format!(r#"{{ "path": "/v1/{}/posts", "sats": 3 }}"#, segments.join("/"))
        })
        .collect();
    let more = format!("\"routes\": [{conditions},{},{},", others.join(","), shapes.join(","));
    let list = PRICE_LIST.replacen("\"routes\": [", &more, 1);
    Settings::read(var, Some(&list), fold_case)
}

pub fn hostile_heads() -> Vec<HostileHead> {
    const NONE: Part = |_| String::new();
    const SOLD: Part = |_| "/sold".to_owned();
    let repeated = |name, header, value| HostileHead { name, path: SOLD, query: NONE, header, value };
    let query = |name, query| HostileHead { name, path: SOLD, query, header: "", value: NONE };
    let conditions = |name, query| HostileHead {
        name,
        path: |_| "/conditions".to_owned(),
        query,
        header: "",
        value: NONE,
    };
    let path = |name, path| HostileHead { name, path, query: NONE, header: "", value: NONE };
    vec![
        path("slashes", |bytes| "/".repeat(bytes)),
        path("encoded percent signs", |bytes| format!("/%{}", "25".repeat(bytes / 2))),
        path("segments", |bytes| format!("/files/{}", "a/".repeat(bytes / 2))),
        path("dashes", |bytes| in_names("-a", bytes)),
        path("octets between dashes", |bytes| in_names("---e6---&;x;%3Cb%3E", bytes)),
        path("entities", |bytes| format!("/{}", "&a;".repeat(bytes / 3))),
        path("names with colons and tildes", |bytes| in_names("a:b~73", bytes)),
        path("semicolons", |bytes| in_names("a;b", bytes)),
        path("names without a slug", |bytes| in_names("!", bytes)),
        path("names with accents", |bytes| in_names("e%CC%81", bytes)),
        path("lists of names", |bytes| in_names("free,", bytes)),
        path("lists of names in a path with many forms", |bytes| {
            format!("/{}/v1,items,posts/v1,items,posts/v1,items,posts/a%20;b.", "a".repeat(bytes * 5 / 8))
        }),
        path("short lists of names in a path with many forms", |bytes| {
            format!("/{}/v1,items,posts/v1,items,posts/v1,items,posts/%5Ca;b+.c", "a".repeat(bytes / 8))
        }),
        HostileHead {
            name: "lists of names and methods in the query",
            path: |bytes| {
                format!(
                    "/{}/v1,items,posts/v1,items,posts/v1,items,posts/x%2520;+y.",
                    "a".repeat(bytes / 400)
                )
            },
            query: |_| {
                "_method=A&_method=B&_method=C&_method=D&_method=E&_method=F&_method=GET&_method=POST"
                    .to_owned()
            },
            header: "",
            value: NONE,
        },
        HostileHead {
            name: "lists of names in the paths of a query",
            path: |_| "/free".to_owned(),
            query: |bytes| {
                format!(
                    "__pathname=/{}/v1,items,posts/v1,items,posts/v1,items,posts/x%2520;+y.&",
                    "a".repeat(bytes / 400)
                )
                .repeat(4)
            },
            header: "",
            value: NONE,
        },
        path("pages in outlets", |bytes| {
            format!("/{}(a//b//c//d)(e//f//g//h)(i//j%20)(k//l;m)", "a".repeat(bytes / 8))
        }),
        path("many forms of a short path", |_| {
            format!("/{}{}", ".md.%25!%25".repeat(12), "%C4%B0/@@".repeat(60))
        }),
        path("parameters in a path", |bytes| format!("/x{}", "&a=b".repeat(bytes / 4))),
        path("parameters in a path with many forms", |bytes| {
            format!("/x%20;+.{}", "&a=v1".repeat(bytes / 80))
        }),
        path("Unicode", |bytes| format!("/{}", "%C5%BF;".repeat(bytes / 7))),
        query("parameters", |bytes| "a&".repeat(bytes / 2)),
        query("parameters with values", |bytes| "q=1&".repeat(bytes / 4)),
        query("encoded names", |bytes| "%2525252561=&".repeat(bytes / 13)),
        query("one encoded name", |bytes| format!("%{}41=x", "25".repeat(bytes / 2))),
        conditions("parameters, with many conditions", |bytes| "a;".repeat(bytes / 2)),
        conditions("few parameters, with many conditions", |bytes| {
            "%2525q=1&".repeat(90) + &"%2541".repeat(bytes / 5 - 162)
        }),
        conditions("letters that normalize to many, with many conditions", |bytes| {
            "%EF%B7%BA".repeat(bytes / 9)
        }),
        path("letters that normalize to many", |bytes| format!("/%C0%AF{}", "%EF%B7%BA".repeat(bytes / 9))),
        path("overlong slashes and letters that normalize to many", |bytes| {
            format!("/{}{}", "%C0%AF".repeat(bytes / 12), "%EF%B7%BA".repeat(bytes / 18))
        }),
        path("an index file and many segments", |bytes| {
            format!("/%E2%80%8B%C0%AFindex.html%09{}", in_names("a1", bytes - 500))
        }),
        path("names with a dot and a digit", |bytes| in_names(".0", bytes)),
        path("letters that normalize, and names with a dot and a digit", |bytes| {
            format!("/{}{}{}", "%EF%B7%BA".repeat(5), "%EF%BC%AF".repeat(5), in_names("a.1", bytes - 500))
        }),
        HostileHead {
            query: path_with_many_forms,
            ..path("the same path with many forms in the query", path_with_many_forms)
        },
        query("method overrides", |bytes| "_method=A&".repeat(bytes / 10)),
        query("semicolons in the query", |bytes| "size;".repeat(bytes / 5)),
        query("brackets", |bytes| format!("{}size=large", "[".repeat(bytes))),
        repeated("user agent with commas", "User-Agent", |bytes| ",".repeat(bytes)),
        repeated("user agent with partial matches", "User-Agent", |bytes| "GPTBo".repeat(bytes / 5)),
        HostileHead {
            path: |_| "/conditions".to_owned(),
            ..repeated("user agent with parts, with many conditions", "User-Agent", |bytes| {
                "Robot,".repeat(bytes / 6)
            })
        },
        repeated("user agent with spaces", "User-Agent", |bytes| " ,".repeat(bytes / 2)),
        repeated("accepted media types", "Accept", |bytes| "a/b;q=1,".repeat(bytes / 8)),
        repeated("parameters of one media type", "Accept", |bytes| {
            format!("text/html{}", ";q".repeat(bytes / 2))
        }),
        repeated("authorization commas", "Authorization", |bytes| ",".repeat(bytes)),
        repeated("authorization schemes", "Authorization", |bytes| "L402 a:b,".repeat(bytes / 9)),
        repeated("authorization of another scheme", "Authorization", |bytes| {
            "Digest a=b,".repeat(bytes / 11)
        }),
        repeated("quoted strings", "Authorization", |bytes| {
            format!("Digest {}", "a=\"\\\",".repeat(bytes / 6))
        }),
        repeated("an open quoted string", "Authorization", |bytes| {
            format!("Digest a=\"{}", "L402 a:b,".repeat(bytes / 9))
        }),
        repeated("macaroons", "Authorization", |bytes| format!("L402 {}:", "AgA,".repeat(bytes / 4))),
        repeated("one long macaroon", "Authorization", |bytes| format!("L402 {}:", "A".repeat(bytes))),
        repeated("keys of a macaroon in JSON", "Authorization", |bytes| json_macaroon(&keys(bytes * 3 / 4))),
        repeated("caveats of a macaroon in JSON", "Authorization", |bytes| {
            json_macaroon(&caveats(bytes * 3 / 4))
        }),
        repeated("macaroons in JSON with 100 caveats each", "Authorization", |bytes| {
            let one = json_macaroon(&caveats(800));
            vec![one.as_str(); bytes / one.len()].join(",")
        }),
        repeated("nested JSON", "Authorization", |bytes| json_macaroon(&"[".repeat(bytes * 3 / 4))),
        repeated("caveats of a binary macaroon", "Authorization", |bytes| binary_macaroon(bytes * 3 / 4)),
        repeated("macaroons in a header of their own", "Macaroon", |bytes| {
            let one = encode_standard(caveats(990).as_bytes());
            vec![one.as_str(); bytes / one.len()].join(",")
        }),
        repeated("cookies", "Cookie", |bytes| "a=1;".repeat(bytes / 4)),
        repeated("empty cookies", "Cookie", |bytes| "; ,".repeat(bytes / 3)),
        repeated("credential cookies", "Cookie", |bytes| "toll_0123456789abcdef=AgE;".repeat(bytes / 26)),
    ]
}

/// Returns a path with as many names as are allowed, each of which repeats a text.
fn in_names(text: &str, bytes: usize) -> String {
    format!("/{}", text.repeat(bytes / 100 / text.len())).repeat(100)
}

fn path_with_many_forms(bytes: usize) -> String {
    format!("//index.htmla%252F%u002f{}", "/a/1//%252F".repeat(bytes / 500))
}

fn json_macaroon(json: &str) -> String {
    format!("L402 {}:{}", encode_standard(json.as_bytes()), "0".repeat(64))
}

fn keys(bytes: usize) -> String {
    let keys: Vec<String> = (0..bytes / 8).map(|n| format!("\"{n:x}\":0")).collect();
    format!("{{{}}}", keys.join(","))
}

fn caveats(bytes: usize) -> String {
    let caveats = vec!["\"a = 1\""; bytes / 8];
    format!(
        "{{\"id\":\"{}\",\"signature\":\"{}\",\"caveats\":[{}]}}",
        "0".repeat(64),
        "0".repeat(64),
        caveats.join(",")
    )
}

/// Returns a credential with a binary macaroon (version 2) that has many short caveats and a wrong signature.
fn binary_macaroon(bytes: usize) -> String {
    let mut macaroon = vec![2, 2, 66];
    macaroon.extend([0; 66]);
    macaroon.push(0);
    for _ in 0..bytes / 6 {
        macaroon.extend([2, 3, b'a', b'=', b'b', 0]);
    }
    macaroon.extend([0, 6, 32]);
    macaroon.extend([0; 32]);
    format!("L402 {}:{}", encode_standard(&macaroon), "0".repeat(64))
}
