//! The index of the routes. Its selections are compared with those of a linear search.

use edgetoll::policy::route::{PathForm, Route, Selection, Target};

use crate::support::price_list::{parse, valid};
use crate::support::random::Random;
use crate::support::random_lists::{path, price_list, price_list_of, target};

#[test]
fn the_index_selects_the_route_of_a_linear_search() {
    let mut random = Random::new(4);
    let mut selected = [0_usize; 4];
    for round in 0..400 {
        let policy = match round % 20 {
            0 => price_list_of(300, &mut random),
            _ => price_list(&mut random),
        };
        for _ in 0..100 {
            let path = path(&mut random);
            let (host, method) = target(&mut random);
            let target = Target { host, method };
            for form in [PathForm::AsSent, PathForm::Normalized] {
                let expected = linear_search(&policy.routes, form, &path, target);
                let context = format!("{form:?} {method} {host}{path}");
                assert_eq!(
                    policy.routes.select(form, &path, target),
                    expected,
                    "{context} {:?}",
                    policy.routes
                );
                selected[match expected {
                    Selection::Route(_) => 0,
                    Selection::OtherMethod(_) => 1,
                    Selection::OtherHost(_) => 2,
                    Selection::Unmatched => 3,
                }] += 1;
            }
        }
    }
    assert!(selected.iter().all(|count| *count > 1_000), "{selected:?}");
}

#[test]
fn a_path_whose_names_have_the_hash_of_another_path_does_not_select_its_route() {
    // The index hashes names with FNV-1a in 32 bits, for which these words are known collisions.
    let policy = valid(r#"{"routes":[{"path":"/costarring","sats":5},{"path":"/:a/macallums/*","sats":5}]}"#);
    let target = Target { host: "x", method: "GET" };
    for (path, is_sold) in
        [("/costarring", true), ("/liquid", false), ("/x/macallums/y", true), ("/x/declinate/y", false)]
    {
        assert_eq!(policy.select(path, target).is_priced(), is_sold, "{path}");
    }
}

#[test]
fn of_two_routes_with_the_same_path_and_host_the_later_one_is_selected() {
    let policy = parse(r#"{"routes":[{"path":"/a","sats":5},{"path":"/a","sats":6}]}"#).policy.unwrap();
    let selected = policy.select("/a", Target { host: "x", method: "GET" });
    assert_eq!(selected, Selection::Route(&policy.routes[1]));
}

/// Compares a path with each pattern.
fn linear_search<'a>(routes: &'a [Route], form: PathForm, path: &str, target: Target<'_>) -> Selection<'a> {
    let of_path = || routes.iter().filter(|route| route.pattern.matches(form, path));
    let of_host = || of_path().filter(|route| route.host.matches(target.host));
    let of_method = of_host().filter(|route| route.has_method(target.method));
    if let Some(route) = of_method.max_by_key(|route| (route.pattern.segments(form), &route.host)) {
        return Selection::Route(route);
    }
    if let Some(route) = of_host().find(|route| !route.is_free()) {
        return Selection::OtherMethod(route);
    }
    of_path().find(|route| !route.is_free()).map_or(Selection::Unmatched, Selection::OtherHost)
}
