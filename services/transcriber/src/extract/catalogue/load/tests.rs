use super::*;

fn parse(source: &str) -> Result<Catalogue, CatalogueError> {
    Catalogue::parse("own.toml", source)
}

#[test]
fn the_built_in_catalogue_is_as_large_as_promised() {
    let catalogue = Catalogue::built_in().unwrap();
    let israeli = |entry: &&Entry| entry.region.is_empty();
    assert!(catalogue.of(Kind::Service).count() >= 40);
    assert!(catalogue.of(Kind::City).filter(israeli).count() >= 250);
    assert!(catalogue.of(Kind::City).filter(|city| !israeli(city)).count() >= 300);
    for entry in &catalogue.entries {
        assert!(entry.names.contains_key(&Language::En), "{}", entry.id);
    }
}

#[test]
fn an_error_names_the_line_it_is_about() {
    let head = "[[service]]\nid = \"plumber\"\nen = [\"plumber\"]\n";
    for (wrong, line, part) in [
        ("[[city]]\nid = \"Bad Id\"\nen = [\"X\"]\n", 4, "slug"),
        ("[[city]]\nid = \"x\"\n", 4, "no name"),
        ("[[city]]\nid = \"x\"\nen = [\"X\",\n \"...\"]\n", 7, "no word"),
        ("[[service]]\nid = \"b\"\nen = [\"B\", \"plumber\"]\n", 6, "already a name"),
        ("[[service]]\nid = \"plumber\"\nen = [\"B\"]\n", 4, "already used"),
        ("[[service]]\nid = \"b\"\nen = [\"B\"]\nsigns = [\"* x\"]\n", 7, "gap"),
        ("[[service]]\nid = \"b\"\nen = [\"B\"]\nthings = [\"x *\"]\n", 7, "gap"),
        (
            &format!(
                "[[service]]\nid = \"b\"\nen = [\"B\"]\nsaid = [\"{}\"]\n",
                ["a_b|c"; 22].join(" ")
            ),
            7,
            "more than 8 words",
        ),
        ("[[city]]\nid = \"x\"\nen = [\"X\"]\ndoubtful = [\"Y\"]\n", 7, "doubtful \"Y\""),
        ("[[service]]\nid = \"b\"\nen = [\"B\"]\ndoubtful = [\"Y\"]\n", 7, "doubtful \"Y\""),
        (
            "[[city]]\nid = \"x\"\nen = [\"X\"]\nlandmarks = [\"Y\"]\n[[city]]\nid = \"y\"\nen = [\"Y\"]\n",
            7,
            "landmark \"Y\" of \"x\"",
        ),
        ("[[city]]\nid = \"x\"\nnames = [\"X\"]\n", 6, "unknown field"),
        ("[[city]]\nid = \"x\"\nen = [\"X\"\n", 6, "unclosed array"),
    ] {
        let error = parse(&format!("{head}{wrong}")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("own.toml, line {line}: ")), "{error}");
        assert!(error.contains(part), "{error}");
    }
    assert!(parse(head).unwrap_err().to_string().contains("no [[city]]"));
}

#[test]
fn cities_of_one_name_need_a_region_each() {
    let source = |second: &str| {
        format!(
            "[[service]]\nid = \"a\"\nen = [\"A\"]\n\
             [[city]]\nid = \"o\"\nen = [\"Ocala\"]\nregion = [\"FL\"]\n\
             [[city]]\nid = \"p\"\nen = [\"Ocala\"]\n{second}"
        )
    };
    assert!(parse(&source("")).is_err());
    assert_eq!(parse(&source("region = [\"ME\"]")).unwrap().of(Kind::City).count(), 2);
    let third = "region = [\"ME\"]\n[[city]]\nid = \"q\"\nen = [\"Ocala\"]\nregion = [\"ME\"]";
    let error = parse(&source(third)).unwrap_err().to_string();
    assert!(error.contains("already a name of \"p\""), "{error}");
}

#[test]
fn the_example_in_the_readme_is_a_catalogue() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut blocks = readme.split("```toml\n").skip(1).filter_map(|block| block.split_once("```"));
    let (example, _) = blocks.find(|(block, _)| block.starts_with("[[service]]")).unwrap();
    let catalogue = parse(example).unwrap();
    assert_eq!(catalogue.get(Kind::City, "afula").unwrap().phrases.len(), 3);
}
