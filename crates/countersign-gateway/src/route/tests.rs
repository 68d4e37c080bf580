//! Which route a request finds, as tables.

use std::sync::Arc;

use countersign_core::api_key::KeyCriteria;
use countersign_core::decision::Agreement;
use countersign_core::decision::{Condition, Requirement};
use countersign_core::management_key;
use countersign_core::scope::ScopeSet;
use http::Method;

use super::{Match, Route, RouteError, RouteTable, Trust, is_upper_case};
use crate::upstream::Upstream;

fn route(name: &str, pattern: &str) -> Route {
    Route {
        name: name.into(),
        pattern: pattern.into(),
        methods: None,
        hosts: None,
        upstream: 0,
        requirement: Requirement::Any(vec![KeyCriteria::default().condition()]),
        shadow: None,
        forward_credential: false,
        preserve_host: false,
        cost: 1,
        upgrade: Vec::new(),
    }
}

fn table(routes: Vec<Route>) -> Result<RouteTable, RouteError> {
    let upstream = Upstream::new("one", &"http://127.0.0.1:1".parse().unwrap(), None).unwrap();
    RouteTable::new(routes, vec![Arc::new(upstream)], Trust::default())
}

#[track_caller]
fn found(table: &RouteTable, method: &Method, host: &str, path: &str) -> String {
    match table.find(method, host, path) {
        Match::Route(route) => route.name().to_string(),
        Match::Ambiguous(earlier) => format!("400 {}", earlier.name()),
        Match::MethodNotAllowed(allowed) => format!("405 {allowed:?}"),
        Match::NotFound => "404".into(),
    }
}

#[test]
fn the_first_match_wins_and_a_method_goes_on_to_the_next() {
    let mut read = route("read", "/orders/{**}");
    read.methods = Some(vec![Method::GET]);
    let mut write = route("write", "/orders/{id}");
    write.methods = Some(vec![Method::PUT, Method::GET]);
    let mut hosted = route("hosted", "/{**}");
    hosted.hosts = Some(vec!["Admin.Example.com.".into()]);
    let table = table(vec![read, write, hosted]).unwrap();
    assert_eq!(found(&table, &Method::GET, "h", "/orders/1"), "read");
    assert_eq!(found(&table, &Method::PUT, "h", "/orders/1"), "write");
    assert_eq!(found(&table, &Method::PUT, "h", "/orders"), "405 [GET]");
    assert_eq!(found(&table, &Method::DELETE, "h", "/orders/1"), "405 [GET, PUT]");
    assert_eq!(found(&table, &Method::GET, "h", "/other"), "404");
    for host in ["admin.example.com", "ADMIN.EXAMPLE.COM:8443", "admin.example.com."] {
        assert_eq!(found(&table, &Method::DELETE, host, "/orders/1"), "hosted", "{host}");
    }
    assert_eq!(found(&table, &Method::GET, "xadmin.example.com", "/other"), "404");
}

#[test]
fn rfc9110_9_3_2_head_is_no_way_around_the_route_that_says_what_get_needs() {
    let mut read = route("read", "/orders/{**}");
    read.methods = Some(vec![Method::GET]);
    let mut head = route("head", "/orders/heads/{**}");
    head.methods = Some(vec![Method::HEAD]);
    let table = table(vec![read, head, route("all", "/{**}")]).unwrap();
    for (method, path, expected) in [
        (Method::HEAD, "/orders/42", "405 [GET]"),
        (Method::HEAD, "/orders/heads/42", "head"),
        (Method::HEAD, "/other", "all"),
        (Method::HEAD, "/ORDERS/42", "400 read"),
        (Method::POST, "/orders/42", "all"),
    ] {
        assert_eq!(found(&table, &method, "h", path), expected, "{method} {path}");
    }
}

#[test]
fn what_folds_onto_an_earlier_route_is_refused() {
    let mut write = route("write", "/orders/{id}");
    write.methods = Some(vec![Method::DELETE]);
    let mut hosted = route("hosted", "/internal/{**}");
    hosted.hosts = Some(vec!["a".into()]);
    let routes =
        vec![route("admin", "/admin/{**}"), route("exact", "/exact"), write, hosted, route("all", "/{**}")];
    let table = table(routes).unwrap();
    for (method, host, path, expected) in [
        ("GET", "a", "/admin/users", "admin"),
        ("GET", "a", "/admin/Users;x/", "admin"),
        ("GET", "a", "/ADMIN/users", "400 admin"),
        ("GET", "a", "/ADMIN", "400 admin"),
        ("GET", "a", "/admin;a=b/users", "400 admin"),
        ("GET", "a", "/admin%20/x", "400 admin"),
        ("GET", "a", "/admin./x", "400 admin"),
        ("GET", "a", "/%20/admin/x", "400 admin"),
        ("GET", "a", "/exact", "exact"),
        ("GET", "a", "/exact/", "400 exact"),
        ("GET", "a", "/exact/x", "all"),
        ("DELETE", "a", "/orders/42", "write"),
        ("DELETE", "a", "/orders/AB", "write"),
        ("DELETE", "a", "/orders/42/", "400 write"),
        ("DELETE", "a", "/Orders/42", "400 write"),
        ("GET", "a", "/Orders/42", "all"),
        ("GET", "a", "/orders/ABC/Lines;x", "all"),
        ("GET", "a", "/Internal/x", "400 hosted"),
        ("GET", "b", "/Internal/x", "all"),
        ("GET", "a", "/Administrator", "all"),
        ("GET", "a", "/", "all"),
    ] {
        assert_eq!(found(&table, &method.parse().unwrap(), host, path), expected, "{method} {host} {path}");
    }
}

#[test]
fn what_an_operator_writes_in_two_spellings_is_two_paths() {
    let open = table(vec![route("one", "/exact"), route("two", "/exact/"), route("all", "/{**}")]).unwrap();
    for (path, expected) in [("/exact", "one"), ("/exact/", "two"), ("/Exact", "400 one")] {
        assert_eq!(found(&open, &Method::GET, "a", path), expected, "{path}");
    }
    let loud = table(vec![route("loud", "/Admin/{**}"), route("all", "/{**}")]).unwrap();
    for (path, expected) in [("/Admin/x", "loud"), ("/admin/x", "400 loud"), ("/other", "all")] {
        assert_eq!(found(&loud, &Method::GET, "a", path), expected, "{path}");
    }
    assert!(loud.may_object());
}

#[test]
fn rfc5952_4_an_address_is_one_host_in_every_spelling() {
    for (written, others) in [
        ("[::1]", ["[0:0:0:0:0:0:0:1]:8443", "[::0001]", "[0::1]"]),
        ("[2001:0db8::1]:80", ["[2001:DB8::1]", "[2001:db8:0:0:0:0:0:1]", "[2001:db8::0.0.0.1]:1"]),
        ("127.0.0.1", ["127.0.0.1:1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]:2"]),
    ] {
        let mut guarded = route("guarded", "/{**}");
        guarded.hosts = Some(vec![written.into()]);
        let table = table(vec![guarded, route("open", "/{**}")]).unwrap();
        for host in others {
            assert_eq!(found(&table, &Method::GET, host, "/"), "guarded", "{written} {host}");
        }
        assert_eq!(found(&table, &Method::GET, "[::2]", "/"), "open", "{written}");
    }
}

#[test]
fn a_call_that_would_be_refused_has_no_route() {
    let mut guarded = route("guarded", "/{**}");
    guarded.hosts = Some(vec!["a.example".into()]);
    let table = table(vec![route("admin", "/admin/{**}"), guarded, route("all", "/{**}")]).unwrap();
    for (method, host, path, expected) in [
        ("GET", "b", "/x?y", Some("all")),
        ("GET", "", "/%61dmin/x", Some("admin")),
        ("GET", "A.example.:80", "/x", Some("guarded")),
        ("get", "b", "/x", None),
        ("TRACE", "b", "/x", None),
        ("CONNECT", "b", "/x", None),
        ("GET", "b", "/Admin/x", None),
        ("GET", "b", "/admin;a/x", None),
        ("GET", "b", "/a/../x", None),
        ("GET", "a.example/", "/x", None),
        ("GET", "a.example,b", "/x", None),
    ] {
        let found = table.called(&method.parse().unwrap(), host, path);
        assert_eq!(found.map(|route| &**route.name()), expected, "{method} {host} {path}");
    }
}

#[test]
fn rfc9110_9_1_a_method_has_no_lower_case() {
    for (method, expected) in [
        ("GET", true),
        ("M-SEARCH", true),
        ("VERSION-CONTROL", true),
        ("X_1", true),
        ("get", false),
        ("Get", false),
        ("DELETe", false),
        ("PROPfIND", false),
    ] {
        assert_eq!(is_upper_case(&method.parse().unwrap()), expected, "{method}");
    }
}

#[test]
fn a_table_that_cannot_be_decided_on_is_not_built() {
    let refused = |change: fn(&mut Route)| {
        let mut one = route("r", "/a");
        change(&mut one);
        table(vec![one]).unwrap_err().to_string()
    };
    assert!(refused(|one| one.requirement = Requirement::Any(Vec::new())).contains("anonymous = {}"));
    assert!(
        refused(|one| one.requirement = Requirement::All(Vec::new(), Agreement::Owner))
            .contains("`require` is empty")
    );
    assert!(refused(|one| one.upstream = 1).contains("no upstream number 1"));
    assert!(refused(|one| one.methods = Some(Vec::new())).contains("leave it out"));
    let spelled = refused(|one| one.methods = Some(vec![Method::GET, "Delete".parse().unwrap()]));
    assert!(spelled.contains("expected `DELETE`, found `Delete`"), "{spelled}");
    assert!(refused(|one| one.hosts = Some(Vec::new())).contains("api.example.com"));
    assert!(refused(|one| one.hosts = Some(vec!["a,b".into()])).contains("`a,b`"));
    assert!(refused(|one| one.pattern = "x".into()).contains("does not begin with /"));
    let twice = || vec![KeyCriteria::default().condition(), KeyCriteria::default().condition()];
    let mut one = route("r", "/a");
    one.requirement = Requirement::All(twice(), Agreement::Owner);
    assert!(table(vec![one]).unwrap_err().to_string().contains("api_key twice"));
    let mut one = route("r", "/a");
    one.requirement = Requirement::Any(twice());
    assert!(table(vec![one]).is_ok());
    assert!(
        refused(|one| one.requirement = Requirement::Any(vec![management_key::required(ScopeSet::default())]))
            .contains("management_key")
    );
    assert!(
        refused(|one| one.requirement = Requirement::All(vec![Condition::anonymous()], Agreement::Owner))
            .contains("under `any`")
    );
    assert!(table(vec![route("r", "/a"), route("r", "/b")]).is_err());
}
