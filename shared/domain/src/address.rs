//! Addresses for eyes that must not see what is secret in them.

/// An address as it may be printed: user and password are `***`, and so is a query.
pub fn mask_url(url: &str) -> String {
    let (scheme, host, path) = parts(url);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let query = if url.contains('?') { "?***" } else { "" };
    format!("{scheme}{host}{path}{query}")
}

/// As [`mask_url`], for addresses whose path is a secret too, as those of webhooks are: scheme and
/// host stay.
pub fn mask_url_path(url: &str) -> String {
    let (scheme, host, path) = parts(url);
    let hidden = if path.len() > 1 { "/***" } else { path };
    format!("{scheme}{host}{hidden}")
}

/// Scheme with its slashes, host with the user masked, and the rest.
fn parts(url: &str) -> (&str, String, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("***@{host}"));
    (scheme, host, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_queries_are_not_shown() {
        for (url, shown) in [
            ("https://api.example.com/v1", "https://api.example.com/v1"),
            ("https://user:p%40ss@api.example.com:8443/v1", "https://***@api.example.com:8443/v1"),
            ("http://token@host", "http://***@host"),
            ("https://host/v1?key=secret#part", "https://host/v1?***"),
            ("https://host?key=a@b", "https://host?***"),
            ("not an address", "not an address"),
            ("", ""),
        ] {
            assert_eq!(mask_url(url), shown);
        }
    }

    #[test]
    fn of_a_webhook_the_host_alone_is_shown() {
        assert_eq!(
            mask_url_path("https://hooks.example.com/T0/B1/secret?x=y"),
            "https://hooks.example.com/***"
        );
        assert_eq!(mask_url_path("https://u:p@crm.example.com/"), "https://***@crm.example.com/");
        assert_eq!(mask_url_path("https://crm.example.com?secret"), "https://crm.example.com/***");
    }
}
