//! The values that show the owner on a page.

use crate::policy::owner::Owner;

/// Returns each placeholder that shows the owner, with its value. Without a title, the host is the name.
pub fn values(owner: &Owner, host: &str) -> [(&'static str, String); 6] {
    let Owner { title, contact, accent } = owner;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    [
        ("name", text(title.as_deref().or(Some(host)))),
        ("site", text(title.as_ref().map(|_| host))),
        ("contact", text(contact.as_ref().map(|contact| contact.text()))),
        ("contact_href", contact.as_ref().map_or(String::new(), |contact| contact.href())),
        ("accent", text(accent.as_ref().map(|accent| accent.as_str()))),
        ("on_accent", text(accent.as_ref().map(|accent| accent.text_color()))),
    ]
}
