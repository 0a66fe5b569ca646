//! Test vectors gathered from Twilio's helper libraries, and properties.

use proptest::prelude::*;

use super::*;

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const P: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234\
                 &From=%2B14158675309&To=%2B18005551212";
const BODY: &str = r#"{"property": "value", "boolean": true}"#;
const BODY_HASH: &str = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
const EMPTY_HASH: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn token() -> SecretString {
    "12345".into()
}

fn form_fits(url: &str, form: &str, signature: &str) -> bool {
    is_valid(&[Key::new(&token())], signature, url, Payload::Form(&Form::parse(form.as_bytes())))
}

fn body_fits(url: &str, body: &str, signature: &str) -> bool {
    is_valid(&[Key::new(&token())], signature, url, Payload::Raw(body.as_bytes()))
}

#[test]
fn form_vectors_are_signed_and_validated() {
    let cases = [
        ("1", URL, P, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("2", "https://mycompany.com:443/myapp.php?foo=1&bar=2", P, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("3", "http://mycompany.com:80/myapp.php?foo=1&bar=2", P, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("4", "http://mycompany.com:1234/myapp.php?foo=1&bar=2", P, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (
            "5",
            "https://mycompany.com:1234/myapp.php?foo=1&bar=2",
            P,
            "CYn1h0gLBdNxDGkKJg6hYohgeD8=",
        ),
        (
            "9",
            URL,
            "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (
            "10",
            URL,
            "MessagingBinding.Address=%2B1325xxxxxxx&MessagingBinding.Address=%2B1415xxxxxxx",
            "83O6e2vORAoJHUNzJjDWN1jz+BA=",
        ),
        (
            "11",
            "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It%27s+amazing",
            P,
            "TfZzewPq8wqrGlMfyAud8+/IvJ0=",
        ),
        ("12", "https://MyCompany.com/myapp.php?foo=1&bar=2", P, "g9IN/x4Cft2g517EjYvEvM/W7LU="),
        (
            "15",
            "http://username:password@MyCompany.com/myapp.php?foo=1&bar=2",
            P,
            "PJ08CxXr7KLPjEQCTc8LkUSMwSM=",
        ),
        (
            "18",
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            P,
            "CukzLTc1tT5dXEDIHm/tKBanW10=",
        ),
        (
            "20",
            "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2",
            P,
            "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=",
        ),
    ];
    for (number, url, form, signature) in cases {
        let signed = sign(&token(), url, &Form::parse(form.as_bytes()));
        assert_eq!(signed, signature, "vector {number}");
        assert!(form_fits(url, form, signature), "vector {number}");
    }
}

#[test]
fn url_vectors_are_signed() {
    let with = |url: &str, hash: &str| format!("{url}&bodySHA256={hash}");
    let cases = [
        ("6", with(URL, BODY_HASH), "a9nBmqA0ju/hNViExpshrM61xv4="),
        (
            "7",
            format!("https://mycompany.com/myapp.php?bodySHA256={BODY_HASH}"),
            "y77kIzt2vzLz71DgmJGsen2scGs=",
        ),
        (
            "8",
            with("https://mycompany.com:443/myapp.php?foo=1&bar=2", EMPTY_HASH),
            "Ldidvp12m26NI7eqEvxnEpkd9Hc=",
        ),
    ];
    for (number, url, signature) in cases {
        assert_eq!(sign_url(&token(), &url), signature, "vector {number}");
    }
}

#[test]
fn a_json_body_is_covered_by_the_digest_in_the_url() {
    let url = format!("{URL}&bodySHA256={BODY_HASH}");
    assert!(body_fits(&url, BODY, "a9nBmqA0ju/hNViExpshrM61xv4="));
    let alone = format!("https://mycompany.com/myapp.php?bodySHA256={BODY_HASH}");
    assert!(body_fits(&alone, BODY, "y77kIzt2vzLz71DgmJGsen2scGs="));
    let without_port = format!("{URL}&bodySHA256={EMPTY_HASH}");
    assert!(body_fits(&without_port, "{}", "Ldidvp12m26NI7eqEvxnEpkd9Hc="));
}

#[test]
fn a_json_body_that_was_changed_or_has_no_digest_is_refused() {
    let url = format!("{URL}&bodySHA256={BODY_HASH}");
    assert!(!body_fits(&url, &BODY.replace("true", "false"), "a9nBmqA0ju/hNViExpshrM61xv4="));
    let of_the_bare_url = sign_url(&token(), URL);
    assert!(!body_fits(URL, BODY, &of_the_bare_url));
    assert!(!body_fits(URL, BODY, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    let twice = format!("{URL}&bodySHA256={EMPTY_HASH}&bodySHA256={BODY_HASH}");
    assert!(!body_fits(&twice, BODY, &sign_url(&token(), &twice)));
}

#[test]
fn ports_and_user_information_may_be_there_or_not() {
    for (url, signature) in [
        ("https://mycompany.com:1234/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
        (
            "https://user:pass@mycompany.com:8443/myapp.php?foo=1&bar=2",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
    ] {
        assert!(form_fits(url, P, signature), "{url}");
    }
}

#[test]
fn a_raw_apostrophe_in_the_query_was_signed_escaped() {
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing";
    assert!(form_fits(url, P, "TfZzewPq8wqrGlMfyAud8+/IvJ0="));
}

#[test]
fn repeated_values_may_come_in_any_order() {
    let turned = "MessagingBinding.Address=%2B1415xxxxxxx&MessagingBinding.Address=%2B1325xxxxxxx";
    assert!(form_fits(URL, turned, "83O6e2vORAoJHUNzJjDWN1jz+BA="));
}

#[test]
fn the_case_of_the_host_is_signed_as_it_stands() {
    assert!(!form_fits(
        "https://MyCompany.com/myapp.php?foo=1&bar=2",
        P,
        "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    ));
}

#[test]
fn a_missing_or_unreadable_signature_is_refused() {
    let long = "RSOY".repeat(1000);
    for signature in ["", " ", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "no base64!", "AAAA", &long] {
        assert!(!form_fits(URL, P, signature), "{signature:?}");
    }
}

#[test]
fn any_of_several_tokens_is_accepted_and_none_without_tokens() {
    let form = Form::parse(P.as_bytes());
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    let both = ["rotated", "12345"].map(|token| Key::new(&token.into()));
    assert!(is_valid(&both, signature, URL, Payload::Form(&form)));
    assert!(!is_valid(&both[..1], signature, URL, Payload::Form(&form)));
    assert!(!is_valid(&[], signature, URL, Payload::Form(&form)));
}

#[test]
fn the_port_of_a_host_written_as_an_ipv6_address_is_found() {
    assert_eq!(without_port("[::1]:8080"), "[::1]");
    assert_eq!(without_port("[::1]"), "[::1]");
    assert_eq!(without_port("host"), "host");
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((".{0,12}", ".{0,20}"), 0..12)
}

fn body_of(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

proptest! {
    #[test]
    fn our_signature_of_any_form_validates_in_any_order(pairs in pairs(), seed: u64) {
        let body = body_of(&pairs);
        let signature = sign(&token(), URL, &Form::parse(body.as_bytes()));
        let mut turned = pairs;
        fastrand::Rng::with_seed(seed).shuffle(&mut turned);
        prop_assert!(form_fits(URL, &body_of(&turned), &signature));
    }

    #[test]
    fn one_changed_character_of_a_form_breaks_its_signature(
        mut pairs in prop::collection::vec(("[a-z]{1,8}", "[a-z0-9]{1,8}"), 1..12),
        which: prop::sample::Index,
        at: prop::sample::Index,
        in_name: bool,
    ) {
        let before = body_of(&pairs);
        let signature = sign(&token(), URL, &Form::parse(before.as_bytes()));
        let chosen = which.index(pairs.len());
        let pair = &mut pairs[chosen];
        let text = if in_name { &mut pair.0 } else { &mut pair.1 };
        let at = at.index(text.len());
        // An upper-case letter stands nowhere in the original, so no re-arrangement undoes this.
        text.replace_range(at..=at, "Z");
        prop_assert!(!form_fits(URL, &body_of(&pairs), &signature));
    }

    #[test]
    fn one_changed_character_of_the_url_or_the_token_breaks_the_signature(
        path in "/[a-z]{1,20}",
        at: prop::sample::Index,
        token in "[a-f0-9]{32}",
    ) {
        let url = format!("https://example.com{path}");
        let mut other = url.clone();
        let at = at.index(path.len() - 1) + url.len() - path.len() + 1;
        other.replace_range(at..=at, "Z");
        let form = Form::parse(P.as_bytes());
        let signature = sign(&SecretString::from(token.as_str()), &url, &form);
        let key = |token: String| [Key::new(&token.into())];
        let (longer, token) = (key(format!("{token}0")), key(token));
        prop_assert!(is_valid(&token, &signature, &url, Payload::Form(&form)));
        prop_assert!(!is_valid(&token, &signature, &other, Payload::Form(&form)));
        prop_assert!(!is_valid(&longer, &signature, &url, Payload::Form(&form)));
    }

    #[test]
    fn one_flipped_bit_of_the_signature_breaks_it(byte in 0usize..20, bit in 0u8..8) {
        let signature = sign(&token(), URL, &Form::parse(P.as_bytes()));
        let mut bytes = STANDARD.decode(signature).unwrap();
        bytes[byte] ^= 1 << bit;
        prop_assert!(!form_fits(URL, P, &STANDARD.encode(bytes)));
    }
}
