//! Access to the admin endpoints with the admin token and with an admin session, and never over plain HTTP.

use edgetoll::admin::{AdminAccess, AdminRequest, AdminToken, token_of_form};
use edgetoll::endpoints::AdminEndpoint;
use edgetoll::error::RequestError;
use edgetoll::keys::{Keys, TollSecret};

const SECRET: &str = "7c1ef5a90b6d428391d7e6c05a4fb832";
const OTHER_SECRET: &str = "b3a81f6de2947c50d8e19bf06a72c345";
const TOKEN: &str = "e4d09b6a17c8f25330d6b1a94e7f8c52";
const NOW: u64 = 1_795_262_400;

fn secret(text: &str) -> TollSecret {
    TollSecret::new(text).unwrap()
}

/// A request over https without an admin token and without the cookie of an admin session.
const REQUEST: AdminRequest<'_> = AdminRequest {
    method: "GET",
    authorization: None,
    cookie: None,
    origin: None,
    own_origin: "https://api.example.com",
    is_private: true,
};

fn session(keys: &Keys, token: &AdminToken) -> String {
    let cookie = AdminAccess { token, keys }.open_session("/_toll", NOW);
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn an_admin_session_needs_its_admin_token_and_its_signing_secret_and_ends_after_12_hours() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let cookie = session(&keys, &token);
    let request = AdminRequest { cookie: Some(&cookie), ..REQUEST };
    let check = |keys: &Keys, token: &AdminToken, now| {
        AdminAccess { token, keys }.check(AdminEndpoint::Stats, &request, now)
    };
    assert_eq!(check(&keys, &token, NOW + 43_199), Ok(()));
    assert_eq!(check(&keys, &token, NOW + 43_200), Err(RequestError::Unauthorized));
    assert_eq!(check(&keys, &AdminToken::new(OTHER_SECRET).unwrap(), NOW), Err(RequestError::Unauthorized));
    assert_eq!(check(&Keys::new(secret(OTHER_SECRET), None), &token, NOW), Err(RequestError::Unauthorized));
    let rotated = Keys::new(secret(OTHER_SECRET), Some(secret(SECRET)));
    assert_eq!(check(&rotated, &token, NOW), Ok(()));
}

#[test]
fn an_admin_session_with_a_changed_expiry_is_refused() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let cookie = session(&keys, &token);
    let (_, tag) = cookie.split_once('.').unwrap();
    for ends in ["1895262400", "01795305600", "+1795305600", " 1795305600", "1795305600 ", ""] {
        let forged = format!("toll_admin={ends}.{tag}");
        let request = AdminRequest { cookie: Some(&forged), ..REQUEST };
        let checked = AdminAccess { token: &token, keys: &keys }.check(AdminEndpoint::Stats, &request, NOW);
        assert_eq!(checked, Err(RequestError::Unauthorized), "{ends}");
    }
}

// A2 (CHANGELOG): each session cookie costs an HMAC.
#[test]
fn of_many_session_cookies_the_first_180_are_read() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let cookie = session(&keys, &token);
    for (before, expected) in [(179, Ok(())), (180, Err(RequestError::Unauthorized))] {
        let cookies = format!("{}{cookie}", "toll_admin=9999999999.; a=1; ".repeat(before));
        let request = AdminRequest { cookie: Some(&cookies), ..REQUEST };
        let checked = AdminAccess { token: &token, keys: &keys }.check(AdminEndpoint::Stats, &request, NOW);
        assert_eq!(checked, expected, "{before}");
    }
}

#[test]
fn an_admin_request_over_plain_http_is_refused_even_with_the_right_admin_token() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let bearer = format!("bearer {TOKEN}");
    let request = AdminRequest { authorization: Some(&bearer), ..REQUEST };
    let access = AdminAccess { token: &token, keys: &keys };
    assert_eq!(access.check(AdminEndpoint::Stats, &request, NOW), Ok(()));
    for wrong in [OTHER_SECRET, "", &TOKEN[1..], &format!("{TOKEN}0"), &TOKEN.to_ascii_uppercase()] {
        let authorization = format!("Bearer {wrong}");
        let wrong_token = AdminRequest { authorization: Some(&authorization), ..REQUEST };
        let refused = Err(RequestError::Unauthorized);
        assert_eq!(access.check(AdminEndpoint::Stats, &wrong_token, NOW), refused, "{wrong}");
        assert!(!access.is_token(wrong), "{wrong}");
    }
    assert!(access.is_token(TOKEN));
    let over_http = AdminRequest { is_private: false, ..request };
    assert_eq!(access.check(AdminEndpoint::Stats, &over_http, NOW), Err(RequestError::PlainHttp));
    assert_eq!(access.check(AdminEndpoint::Login, &over_http, NOW), Err(RequestError::PlainHttp));
}

#[test]
fn the_admin_token_of_a_login_form_is_url_decoded() {
    assert_eq!(token_of_form("token=a%2Bb+c%26").as_deref(), Some("a+b c&"));
    assert_eq!(token_of_form("x=1&token=abc&y=2").as_deref(), Some("abc"));
    assert_eq!(token_of_form("token=%ff"), None);
    assert_eq!(token_of_form("mytoken=abc"), None);
}
