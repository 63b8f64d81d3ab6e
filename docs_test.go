package lightningdb

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Of a type that is an alias of an internal one, neither go doc nor pkg.go.dev shows fields and methods: whoever reads
// there has the comment on the alias alone.
func TestAliases_sayWhatTheyHave(t *testing.T) {
	h := ourHouse(t)
	aliases := map[string]string{} // internal types, by directory and name
	type alias struct{ name, of, comment string }
	var all []alias
	for _, name := range inOrder(h.source) {
		if !slices.Contains([]string{".", "metrics"}, path.Dir(name)) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for spec, comment := range typesOf(h.source[name]) {
			of := target(h.source[name], spec)
			if spec.Name.IsExported() && strings.HasPrefix(of, "internal/") {
				aliases[of] = spec.Name.Name
				all = append(all, alias{spec.Name.Name, of, comment})
			}
		}
	}
	if len(all) < 11 {
		t.Fatalf("found only the aliases %v", all)
	}
	for _, a := range all {
		for _, member := range membersOf(h, a.of, aliases) {
			if !regexp.MustCompile(`\b` + member + `\b`).MatchString(a.comment) {
				t.Errorf("the comment on %s does not name %s, which %s has", a.name, member, a.of)
			}
		}
	}
}

// typesOf yields the types that file declares, each with its comment.
func typesOf(file *ast.File) func(yield func(*ast.TypeSpec, string) bool) {
	return func(yield func(*ast.TypeSpec, string) bool) {
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			for i := 0; ok && i < len(group.Specs); i++ {
				spec, isType := group.Specs[i].(*ast.TypeSpec)
				if !isType {
					continue
				}
				comment := spec.Doc
				if comment == nil {
					comment = group.Doc
				}
				if !yield(spec, comment.Text()) {
					return
				}
			}
		}
	}
}

// target is the type of this module that spec is an alias of, as directory and name; empty if it is none.
func target(file *ast.File, spec *ast.TypeSpec) string {
	of, ok := spec.Type.(*ast.SelectorExpr)
	if !spec.Assign.IsValid() || !ok {
		return ""
	}
	from := of.X.(*ast.Ident).Name
	for _, i := range file.Imports {
		dir, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "lightningdb/")
		if ours && path.Base(dir) == from {
			return dir + "." + of.Sel.Name
		}
	}
	return ""
}

// notTold are methods that every error may have.
var notTold = []string{"Error", "Is", "Unwrap"}

// membersOf returns the exported fields and methods of a type, and those of the types of its fields that have no alias
// of their own.
func membersOf(h *house, of string, aliases map[string]string) (members []string) {
	dir, name := path.Dir(of)+"/", path.Base(of)
	dir, name = dir+name[:strings.Index(name, ".")], name[strings.Index(name, ".")+1:]
	for _, file := range inOrder(h.source) {
		if path.Dir(file) != dir || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, f := range functionsOf(h.source[file]) {
			if f.Recv != nil && f.Name.IsExported() && receiver(f) == name && !slices.Contains(notTold, f.Name.Name) {
				members = append(members, f.Name.Name)
			}
		}
		for spec := range typesOf(h.source[file]) {
			fields, ok := spec.Type.(*ast.StructType)
			if spec.Name.Name != name || !ok {
				continue
			}
			for _, field := range fields.Fields.List {
				exported := false
				for _, n := range field.Names {
					if exported = n.IsExported(); exported {
						members = append(members, n.Name)
					}
				}
				inner := dir + "." + named(field.Type)
				_, told := aliases[inner]
				if exported && !told && inner != of && named(field.Type) != "" {
					members = append(members, membersOf(h, inner, aliases)...)
				}
			}
		}
	}
	return members
}

func receiver(f *ast.FuncDecl) string { return named(f.Recv.List[0].Type) }

// named is the name of the type that e is, or is a slice of or pointer to.
func named(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return named(e.X)
	case *ast.ArrayType:
		return named(e.Elt)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
