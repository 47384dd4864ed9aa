//! A client of the gateway: bundles up, answers down.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An answer: status and body.
pub(crate) type Answer = (u16, Value);

/// Speaks to one gateway, and keeps all that it answered.
pub(crate) struct Web {
    url: String,
    client: reqwest::Client,
}

impl Web {
    pub(crate) fn new(address: std::net::SocketAddr) -> Self {
        Self { url: format!("http://{address}"), client: reqwest::Client::new() }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url)).header("Content-Type", "application/json");
        answer(request.body(body.to_string())).await
    }

    /// `/register` and the like: text fields, and files as the archive `schema`.
    pub(crate) async fn upload(&self, path: &str, fields: &[(&str, &str)], files: &[(&str, &str)]) -> Answer {
        self.upload_archive(path, fields, archive(files)).await
    }

    /// The same with an archive that is packed already.
    pub(crate) async fn upload_archive(&self, path: &str, fields: &[(&str, &str)], archive: Vec<u8>) -> Answer {
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        let archive = reqwest::multipart::Part::bytes(archive).file_name("schema.tar.gz");
        answer(self.client.post(format!("{}{path}", self.url)).multipart(form.part("schema", archive))).await
    }

    /// Registers and expects that it works.
    pub(crate) async fn register(&self, platform: &str, files: &[(&str, &str)]) -> Value {
        let (status, body) = self.upload("/register", &[("platform", platform)], files).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub(crate) async fn call(&self, platform: &str, function: &str, params: Value) -> Answer {
        self.post("/call", json!({ "platform": platform, "function": function, "params": params })).await
    }

    /// A call of the database that the fields `platform` and `tenant_id` say.
    pub(crate) async fn call_at(&self, address: &BTreeMap<String, String>, function: &str, params: Value) -> Answer {
        let mut body = json!(address);
        body["function"] = function.into();
        body["params"] = params;
        self.post("/call", body).await
    }

    /// The only value of the only row.
    pub(crate) async fn value(&self, platform: &str, function: &str, params: Value) -> Value {
        let (status, body) = self.call(platform, function, params).await;
        assert_eq!(status, 200, "{function}: {body}");
        body["rows"][0].as_object().and_then(|row| row.values().next()).cloned().unwrap_or_else(|| panic!("{body}"))
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} {text}")))
}

/// A bundle of these files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}
