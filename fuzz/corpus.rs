//! Writes test vectors from tests/vectors/ as initial inputs of the fuzz targets of macaroons, `Authorization` headers, invoices and
//! paths. The paths are in this file. fuzz/seeds/ has initial inputs of all targets.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use edgetoll::strict_json::Json;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |name: &str| Json::parse(&fs::read(root.join("../tests/vectors").join(name)).unwrap()).unwrap();
    let [toll, standard, bolt11] = ["lightning_toll.json", "macaroon_v2.json", "bolt11.json"].map(read);
    let write = |target: &str, inputs: Vec<Vec<u8>>| {
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder).unwrap();
        for (at, input) in inputs.iter().enumerate() {
            fs::write(folder.join(format!("vector-{at}")), input).unwrap();
        }
    };
    let texts = |json: &Json, list: &str, key: &str| -> Vec<Vec<u8>> {
        let values = json.get(list).and_then(Json::as_array).unwrap_or_default().iter();
        values.filter_map(|one| one.get(key)?.as_str()).map(|text| text.as_bytes().to_vec()).collect()
    };
    let headers =
        [texts(&standard, "authorization_headers", "value"), texts(&toll, "parse_authorization", "header")];
    write("header", headers.concat());
    let binary =
        ["generated", "negative", "parse_only"].map(|list| texts(&standard, list, "base64_std")).concat();
    write("macaroon_standard", binary.iter().filter_map(|text| STANDARD.decode(text).ok()).collect());
    let json = [texts(&toll, "mint", "raw_node"), texts(&toll, "verify", "raw")].concat();
    write(
        "macaroon_lightning_toll",
        json.iter().filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok()).collect(),
    );
    let valid = bolt11.get("valid").and_then(Json::as_array).unwrap_or_default().iter();
    let valid = valid.filter_map(|one| Some(one.as_str()?.as_bytes().to_vec())).collect();
    write("bolt11", [valid, texts(&bolt11, "invalid", "invoice")].concat());
    let paths = ["/api/joke", "//a/../b;c=d/%2e%2e%2f\\x", "/caf%C3%A9/%25252f", "/a%00.png?b#c", "/:id/*"];
    write("path", paths.map(|path| path.as_bytes().to_vec()).to_vec());
}
