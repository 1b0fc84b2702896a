//! Who passes the operator's doors.

use edgetoll::admin::{AdminAccess, AdminRequest, AdminToken, token_of_form};
use edgetoll::endpoints::AdminEndpoint;
use edgetoll::error::RequestError;
use edgetoll::keys::{Keys, TollSecret};

const SECRET: &str = "7c1ef5a90b6d428391d7e6c05a4fb832";
const OTHER: &str = "b3a81f6de2947c50d8e19bf06a72c345";
const TOKEN: &str = "e4d09b6a17c8f25330d6b1a94e7f8c52";
const NOW: u64 = 1_795_262_400;

fn secret(text: &str) -> TollSecret {
    TollSecret::new(text).unwrap()
}

const VISITOR: AdminRequest<'_> = AdminRequest {
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
fn a_session_ends_after_twelve_hours_and_with_the_token_or_the_secret_that_made_it() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let cookie = session(&keys, &token);
    let visitor = AdminRequest { cookie: Some(&cookie), ..VISITOR };
    let check = |keys: &Keys, token: &AdminToken, now| {
        AdminAccess { token, keys }.check(AdminEndpoint::Stats, &visitor, now)
    };
    assert_eq!(check(&keys, &token, NOW + 43_199), Ok(()));
    assert_eq!(check(&keys, &token, NOW + 43_200), Err(RequestError::Unauthorized));
    assert_eq!(check(&keys, &AdminToken::new(OTHER).unwrap(), NOW), Err(RequestError::Unauthorized));
    assert_eq!(check(&Keys::new(secret(OTHER), None), &token, NOW), Err(RequestError::Unauthorized));
    let rotated = Keys::new(secret(OTHER), Some(secret(SECRET)));
    assert_eq!(check(&rotated, &token, NOW), Ok(()));
}

#[test]
fn a_session_cannot_be_made_longer() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let cookie = session(&keys, &token);
    let (_, tag) = cookie.split_once('.').unwrap();
    for ends in ["1895262400", "01795305600", "+1795305600", " 1795305600", "1795305600 ", ""] {
        let forged = format!("toll_admin={ends}.{tag}");
        let visitor = AdminRequest { cookie: Some(&forged), ..VISITOR };
        let admitted = AdminAccess { token: &token, keys: &keys }.check(AdminEndpoint::Stats, &visitor, NOW);
        assert_eq!(admitted, Err(RequestError::Unauthorized), "{ends}");
    }
}

#[test]
fn without_privacy_not_even_the_right_token_is_looked_at() {
    let (keys, token) = (Keys::new(secret(SECRET), None), AdminToken::new(TOKEN).unwrap());
    let bearer = format!("bearer {TOKEN}");
    let visitor = AdminRequest { authorization: Some(&bearer), ..VISITOR };
    let guard = AdminAccess { token: &token, keys: &keys };
    assert_eq!(guard.check(AdminEndpoint::Stats, &visitor, NOW), Ok(()));
    let overheard = AdminRequest { is_private: false, ..visitor };
    assert_eq!(guard.check(AdminEndpoint::Stats, &overheard, NOW), Err(RequestError::PlainHttp));
    assert_eq!(guard.check(AdminEndpoint::Login, &overheard, NOW), Err(RequestError::PlainHttp));
}

#[test]
fn a_form_gives_its_token_as_it_was_typed() {
    assert_eq!(token_of_form("token=a%2Bb+c%26").as_deref(), Some("a+b c&"));
    assert_eq!(token_of_form("x=1&token=abc&y=2").as_deref(), Some("abc"));
    assert_eq!(token_of_form("token=%ff"), None);
    assert_eq!(token_of_form("mytoken=abc"), None);
}
