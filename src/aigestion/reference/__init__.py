"""The reference pages and the AsyncAPI document, made from the catalogs; `--check` finds drift."""
