//! Callbacks that come by TLS, without a proxy.

use callscribe_ingest::IngestSettings;
use chassis::serve::HttpSettings;
use tempfile::TempDir;
use twilio::{Form, signature};

use super::running::{Running, call, recording};

#[tokio::test]
async fn with_a_certificate_callbacks_come_by_tls_and_in_no_other_way() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = TempDir::with_prefix("ingest-tls-").unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let http = HttpSettings {
        tls_certificate: Some(certificate),
        tls_key: Some(key),
        ..HttpSettings::default()
    };
    let running = Running::with(IngestSettings { http, ..Default::default() }).await;
    assert!(running.url.starts_with("https://127.0.0.1:"), "{}", running.url);
    running.add_call(1);
    let url = format!("{}/webhooks/twilio/recording", running.url);
    let pairs = running.double.recording_form(&recording(1));
    let body = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    let body = body.collect::<Vec<_>>().join("&");
    let token = "token".into();
    let post = |client: reqwest::Client, url: String| {
        let signed = signature::sign(&token, &url, &Form::parse(body.as_bytes()));
        let request = client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(signature::HEADER, signed)
            .body(body.clone());
        request.send()
    };

    let trusting = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let trusting = reqwest::Client::builder().tls_certs_only([trusting]).build().unwrap();
    assert_eq!(post(trusting, url.clone()).await.unwrap().status(), 204);
    assert_eq!(running.jobs()[0].call_sid(), &call(1));

    let stranger = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    assert!(post(stranger, url.clone()).await.is_err(), "a certificate nobody vouches for");
    let plain = url.replace("https://", "http://");
    assert!(post(reqwest::Client::new(), plain).await.is_err(), "not by plain HTTP");
    running.stop().await;
}

fn escaped(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}
