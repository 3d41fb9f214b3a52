use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn what_docker_takes() {
    let pinned = format!("docker.io/library/alpine@sha256:{HEX}");
    let both = format!("docker.io/library/alpine:3@sha256:{HEX}");
    let sha512 = format!("docker.io/library/alpine@sha512:{HEX}{HEX}");
    let longest = format!("127.0.0.1:5000/{}:{}", "a".repeat(255), "t".repeat(128));
    // written, normalised, familiar
    let table = [
        ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
        ("library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("tbro98/ase-server", "docker.io/tbro98/ase-server:latest", "tbro98/ase-server:latest"),
        ("a/b/c:d", "docker.io/a/b/c:d", "a/b/c:d"),
        ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
        ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest", "127.0.0.1:5000/a/b:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
        ("[fe80::1]/a", "[fe80::1]/a:latest", "[fe80::1]/a:latest"),
        ("ghcr.io/o/r", "ghcr.io/o/r:latest", "ghcr.io/o/r:latest"),
        ("Registry.Example:443/a", "Registry.Example:443/a:latest", "Registry.Example:443/a:latest"),
        ("host:80/a.b_c__d---e:V_1.0-rc", "host:80/a.b_c__d---e:V_1.0-rc", "host:80/a.b_c__d---e:V_1.0-rc"),
        (&pinned, &pinned, &pinned["docker.io/library/".len()..]),
        (&both, &both, &both["docker.io/library/".len()..]),
        (&sha512, &sha512, &sha512["docker.io/library/".len()..]),
        (&longest, &longest, &longest),
    ];
    for (written, normalised, familiar) in table {
        let reference = Reference::parse(written).unwrap();
        assert_eq!((reference.normalised().as_str(), reference.familiar().as_str()), (normalised, familiar), "{written}");
        assert_eq!(Reference::parse(normalised).unwrap(), reference, "{written}: its normalised form");
        assert_eq!(Reference::parse(familiar).unwrap(), reference, "{written}: its familiar form");
    }
}

#[test]
fn its_parts() {
    let both = Reference::parse(&format!("host:5000/a/b:t@sha256:{HEX}")).unwrap();
    assert_eq!((both.registry(), both.repository(), both.tag()), ("host:5000", "a/b", Some("t")));
    assert_eq!(both.digest(), Some(format!("sha256:{HEX}").as_str()));
    assert_eq!(both.with_tag("u").unwrap().normalised(), "host:5000/a/b:u");
    let pinned = Reference::parse(&format!("alpine@sha256:{HEX}")).unwrap();
    assert_eq!((pinned.tag(), pinned.name().as_str()), (None, "docker.io/library/alpine"));
}

#[test]
fn what_nobody_can_mean() {
    let id = format!("sha256:{HEX}");
    let too_long = "x".repeat(5000);
    let long_path = format!("host:1/{}", "a".repeat(256));
    let long_with_library = "a".repeat(250);
    let long_tag = format!("a:{}", "t".repeat(129));
    let short_digest = format!("a@sha256:{}", &HEX[1..]);
    let upper_digest = format!("a@sha256:{}", HEX.to_uppercase());
    let unknown_digest = format!("a@md5:{}", &HEX[32..]);
    let digest_twice = format!("a@{id}@{id}");
    let tag_after_digest = format!("a@{id}:t");
    let table = [
        ("", "empty"),
        ("UPPER/case", "lower case"),
        ("Alpine", "lower case"),
        ("host.io/Upper", "lower case"),
        ("a b", "space"),
        (" alpine", "space"),
        ("a\u{a0}b", "space"),
        ("a\u{7}b", "control"),
        ("a\nb", "control"),
        ("https://ghcr.io/a", "scheme"),
        (HEX, "image id"),
        (&id, "image id"),
        (&too_long, "longer than 255"),
        (&long_path, "longer than 255"),
        (&long_with_library, "longer than 255"),
        (&long_tag, "tag"),
        ("a:", "tag"),
        ("a:.x", "tag"),
        ("a:-x", "tag"),
        ("a:b:c", "tag"),
        ("a:ü", "tag"),
        ("ü", "repository"),
        ("a/", "repository"),
        ("/a", "repository"),
        ("a//b", "repository"),
        ("host:1/", "repository is missing"),
        (":t", "repository is missing"),
        ("-a", "repository"),
        ("a-", "repository"),
        ("a..b", "repository"),
        ("a___b", "repository"),
        ("a._b", "repository"),
        ("host:port/a", "host"),
        ("host:/a", "host"),
        ("host:0/a", "host"),
        ("host:+80/a", "host"),
        ("host:70000/a", "host"),
        ("-h.io/a", "host"),
        ("h_x.io/a", "host"),
        ("[::1/a", "host"),
        ("[]:1/a", "host"),
        ("a:t/b", "host"),
        ("a@", "digest"),
        ("a@b", "digest"),
        (&short_digest, "digest"),
        (&upper_digest, "digest"),
        (&unknown_digest, "digest"),
        (&digest_twice, "digest"),
        (&tag_after_digest, "digest"),
    ];
    for (written, why) in table {
        let error = Reference::parse(written).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{written}");
        let reason = error.message().rsplit_once("is no image reference: ").unwrap().1;
        assert!(reason.contains(why), "{written}: {reason}");
        assert!(error.message().chars().count() < 300, "{written}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}|[a-z0-9.:/@_-]{0,40}") {
        if let Ok(reference) = Reference::parse(&text) {
            assert_eq!(Reference::parse(&reference.normalised()).unwrap(), reference);
            assert_eq!(Reference::parse(&reference.familiar()).unwrap(), reference);
        }
    }
}

#[test]
fn names_are_left_out_of_words() {
    let left = |image: &str, words: &str| Reference::parse(image).unwrap().removed_from(words);
    assert_eq!(left("127.0.0.1:40191/app:1", "manifest for 127.0.0.1:40191/app:1 not found"), "manifest for  not found");
    assert_eq!(left("r.example/a:eof", "Get https://r.example/v2/a/manifests/eof: EOF"), "Get https:///v2//manifests/: EOF");
    // A short name is in many words.
    assert_eq!(left("t:e", "the timeout of docker.io/library/t:e"), "the timeout of ");
}
