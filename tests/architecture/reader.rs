//! Reads a source as tokens, so comments and strings don't count, while paths inside of macros do. Code under
//! `#[cfg(test)]` may look wherever it likes.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// What matters of one file.
pub(crate) struct Source {
    pub(crate) lines: usize,
    /// Other files of `src` that its paths lead to.
    pub(crate) uses: BTreeSet<String>,
    /// Name and length of each function.
    pub(crate) functions: Vec<(String, usize)>,
    pub(crate) is_unsafe: bool,
}

impl Source {
    pub(crate) fn read(name: &str, text: &str, files: &BTreeSet<String>) -> Self {
        let source =
            Self { lines: text.lines().count(), uses: BTreeSet::new(), functions: Vec::new(), is_unsafe: false };
        let mut path: Vec<String> = name.split('/').map(str::to_owned).collect();
        path.retain(|part| part != "mod");
        let mut reader = Reader { source, own: name, files, children: BTreeSet::new() };
        reader.tokens(text.parse().expect("src compiles, so it has tokens"), &path);
        reader.source
    }
}

struct Reader<'f> {
    source: Source,
    own: &'f str,
    files: &'f BTreeSet<String>,
    /// Modules declared so far: paths may begin with them.
    children: BTreeSet<String>,
}

impl Reader<'_> {
    /// Reads tokens that stand in the module `here`.
    fn tokens(&mut self, stream: TokenStream, here: &[String]) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let word = word(&tokens, at);
            let before = at.checked_sub(1).map(|before| tokens[before].to_string());
            if before.as_deref() == Some("#") && is_test(&tokens[at]) {
                at += tokens[at..].iter().take_while(|token| !ends_item(token)).count() + 1;
                continue;
            } else if word == "mod" && braces(&tokens, at + 2).is_some() {
                let inner = [here, &[self::word(&tokens, at + 1)]].concat();
                self.tokens(braces(&tokens, at + 2).unwrap().stream(), &inner);
                at += 2;
            } else if word == "mod" {
                self.children.insert(self::word(&tokens, at + 1));
            } else if word == "unsafe" {
                self.source.is_unsafe = true;
            } else if word == "fn" {
                self.function(&tokens, at);
            } else if before.as_deref() != Some(":") && is_path(&tokens, at) {
                self.path(&tokens, at, here);
            }
            if let Some(TokenTree::Group(group)) = tokens.get(at).filter(|_| word != "mod") {
                self.tokens(group.stream(), here);
            }
            at += 1;
        }
    }

    fn function(&mut self, tokens: &[TokenTree], at: usize) {
        let length = tokens[at..].iter().take_while(|token| !ends_item(token)).count();
        // Without a name it is a type.
        if let (false, Some(body)) = (word(tokens, at + 1).is_empty(), braces(tokens, at + length)) {
            let lines = body.span_close().end().line - tokens[at].span().start().line + 1;
            self.source.functions.push((word(tokens, at + 1), lines));
        }
    }

    /// Follows a path if it begins in this crate.
    fn path(&mut self, tokens: &[TokenTree], at: usize, here: &[String]) {
        let (mut at, mut base) = (at, here.to_vec());
        match word(tokens, at).as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            child if self.children.contains(child) => base.push(child.to_owned()),
            _ => return,
        }
        while word(tokens, at + 3) == "super" {
            base.pop();
            at += 3;
        }
        self.branch(tokens, at + 3, base);
    }

    /// One path from here on, or the tree of paths in braces.
    fn branch(&mut self, tokens: &[TokenTree], mut at: usize, mut path: Vec<String>) {
        loop {
            if let Some(tree) = braces(tokens, at) {
                let tree: Vec<TokenTree> = tree.stream().into_iter().collect();
                for branch in tree.split(|token| token.to_string() == ",") {
                    self.branch(branch, 0, path.clone());
                }
                return;
            }
            path.push(word(tokens, at));
            if !is_path(tokens, at) {
                return self.found(&path);
            }
            at += 3;
        }
    }

    /// The longest beginning of the path that is a file.
    fn found(&mut self, path: &[String]) {
        let path: Vec<&str> = path.iter().map(String::as_str).filter(|part| *part != "self").collect();
        let candidates = (1..=path.len()).rev().map(|length| path[..length].join("/"));
        let mut names = candidates.flat_map(|name| [format!("{name}/mod"), name]);
        let file = names.find(|name| self.files.contains(name)).unwrap_or_else(|| "lib".to_owned());
        if file != self.own {
            self.source.uses.insert(file);
        }
    }
}

fn word(tokens: &[TokenTree], at: usize) -> String {
    match tokens.get(at) {
        Some(TokenTree::Ident(word)) => word.to_string(),
        _ => String::new(),
    }
}

fn braces(tokens: &[TokenTree], at: usize) -> Option<&Group> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// `word::`
fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| tokens.get(at).is_some_and(|token| token.to_string() == ":");
    !word(tokens, at).is_empty() && colon(at + 1) && colon(at + 2)
}

/// The `[cfg(test)]` of an attribute.
fn is_test(token: &TokenTree) -> bool {
    token.to_string().replace(' ', "") == "[cfg(test)]"
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(point) => point.as_char() == ';',
        _ => false,
    }
}

/// The reader itself, on a source with one of each: a test that can't see would pass.
#[test]
fn the_reader_sees_what_it_must() {
    let files = ["a", "b", "c", "systems/mod", "systems/birth", "systems/life"].map(str::to_owned).into();
    let text = "
        //! [`crate::b`] in a comment
        use crate::{a::X, systems::{self, life}};
        #[cfg(test)] use crate::b::Y;
        fn long(x: [u8; 2]) -> u8
        {
            println!(\"crate::b {}\", crate::c::f());
            super::Step
        }
        mod inner { fn f() { super::g(); super::super::birth::h() } }
        #[cfg(test)] mod tests { use crate::b; unsafe fn g() {} }
    ";
    let source = Source::read("systems/death", text, &files);
    let uses: Vec<_> = source.uses.iter().map(String::as_str).collect();
    assert_eq!(uses, ["a", "c", "systems/birth", "systems/life", "systems/mod"]);
    assert_eq!(source.functions[0], ("long".to_owned(), 5));
    assert!(!source.is_unsafe);
    assert!(Source::read("a", "fn f() { unsafe { g() } }", &files).is_unsafe);
    let relative = Source::read("systems/mod", "mod birth; fn f() { birth::g(); crate::a::birth::h(); }", &files);
    assert_eq!(relative.uses, ["a", "systems/birth"].map(str::to_owned).into());
}
