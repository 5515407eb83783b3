// Package credentialrelay_test holds the rules of the house that a machine can
// check. What they are for is told in CONTRIBUTING.md.
package credentialrelay_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

const module = "credential-relay/"

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// goList runs `go list`.
func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports"}, args...)...)
	var problem strings.Builder
	command.Stderr = &problem
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, problem.String())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(output)); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatalf("go list %v: there are no packages", args)
	}
	return packages
}

// TestImportsPointOneWay: cmd → handler → relay → datadog. What is beside these
// imports none of them, and only the local run imports it; so do tests.
func TestImportsPointOneWay(t *testing.T) {
	rooms := []string{"cmd", "handler", "relay", "datadog"}
	room := func(path string) int {
		first, _, _ := strings.Cut(strings.TrimPrefix(path, module), "/")
		return slices.Index(rooms, first) // -1 for what is beside
	}
	for _, p := range goList(t, "./...") {
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module) {
				continue
			}
			from, to := room(p.ImportPath), room(imported)
			switch {
			case p.ImportPath == module+"cmd/relay":
			case to < 0:
				t.Errorf("%s imports %s, which is for tests and the local run", p.ImportPath, imported)
			case from < 0:
				t.Errorf("%s imports %s, and is beside the rooms", p.ImportPath, imported)
			case from > to || from == to && from != 0:
				t.Errorf("%s imports %s, and imports go from %s", p.ImportPath, imported, strings.Join(rooms, " to "))
			}
			if imported == module+"cmd/lambda" || imported == module+"cmd/relay" {
				t.Errorf("%s imports %s, a command", p.ImportPath, imported)
			}
		}
	}
}

func TestDatadogIsStandardLibraryOnly(t *testing.T) {
	for _, p := range goList(t, "-deps", "./datadog") {
		if !p.Standard && p.ImportPath != module+"datadog" {
			t.Errorf("datadog depends on %s", p.ImportPath)
		}
	}
}

// TestFunctionLinksNoMoreThanItNeeds keeps test and command-line libraries out
// of the binary that is deployed.
func TestFunctionLinksNoMoreThanItNeeds(t *testing.T) {
	unwanted := regexp.MustCompile(`^(testing$|net/http/httptest$|net/rpc$|github\.com/(spf13|rogpeppe|alecthomas|google)/|go\.yaml\.in/|gopkg\.in/yaml|` +
		module + `(internal|events|cmd/relay))`)
	for _, p := range goList(t, "-deps", "-tags", "lambda.norpc", "./cmd/lambda") {
		if unwanted.MatchString(p.ImportPath) {
			t.Errorf("the function links %s", p.ImportPath)
		}
	}
}

// goFile is a Go file that is no test.
type goFile struct {
	path   string
	syntax *ast.File
	files  *token.FileSet
}

func (f goFile) at(position token.Pos) string { return f.files.Position(position).String() }

func (f goFile) in(directories ...string) bool {
	return slices.ContainsFunc(directories, func(directory string) bool { return strings.HasPrefix(f.path, directory+"/") })
}

// goFiles parses the Go files that are no tests.
var goFiles = sync.OnceValues(func() ([]goFile, error) {
	var parsed []goFile
	files := token.NewFileSet()
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		syntax, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		parsed = append(parsed, goFile{path, syntax, files})
		return err
	})
	return parsed, err
})

// walk calls visit for every file of the project.
func walk(visit func(path string) error) error {
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".git" && !entry.IsDir(): // in a work tree of its own
			return nil
		case entry.IsDir() && (path == ".git" || path == ".build" || path == ".aws-sam"):
			return fs.SkipDir
		case entry.Type().IsRegular():
			return visit(filepath.ToSlash(path))
		}
		return nil
	})
}

func allGoFiles(t *testing.T) []goFile {
	t.Helper()
	files, err := goFiles()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found %d Go files, and there are many more", len(files))
	}
	return files
}

// TestOnlyCommandsTouchTheWorld: only cmd reads the environment, exits, prints
// or begins a context.
func TestOnlyCommandsTouchTheWorld(t *testing.T) {
	forbidden := regexp.MustCompile(`^(os\.(Getenv|LookupEnv|Environ|ExpandEnv|Setenv|Exit|Stdout|Stderr)|log\..*|` +
		`fmt\.Print(f|ln)?|context\.(Background|TODO)|syscall\.(Getenv|Exit)|log/slog\.(Default|SetDefault|Debug|Info|Warn|Error|Log)(Context|Attrs)?)$`)
	for _, f := range allGoFiles(t) {
		if f.in("cmd") {
			continue
		}
		imports := map[string]string{} // the path of each name
		for _, imported := range f.syntax.Imports {
			path, _ := strconv.Unquote(imported.Path.Value)
			name := path[strings.LastIndex(path, "/")+1:]
			if imported.Name != nil {
				name = imported.Name.Name
			}
			if name == "." {
				t.Errorf("%s: a dot import hides where names come from", f.at(imported.Pos()))
			}
			imports[name] = path
		}
		ast.Inspect(f.syntax, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.SelectorExpr:
				of, _ := node.X.(*ast.Ident)
				if of == nil || imports[of.Name] == "" {
					return true
				}
				if name := imports[of.Name] + "." + node.Sel.Name; forbidden.MatchString(name) {
					t.Errorf("%s: only cmd may use %s", f.at(node.Pos()), name)
				}
			case *ast.CallExpr:
				if called, ok := node.Fun.(*ast.Ident); ok && (called.Name == "print" || called.Name == "println") {
					t.Errorf("%s: only cmd may print", f.at(node.Pos()))
				}
			}
			return true
		})
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	const maxFile, maxFunction = 300, 60
	for _, f := range allGoFiles(t) {
		if lines := f.files.File(f.syntax.Pos()).LineCount() - 1; lines > maxFile {
			t.Errorf("%s has %d lines, and %d are enough", f.path, lines, maxFile)
		}
		ast.Inspect(f.syntax, func(node ast.Node) bool {
			switch node.(type) {
			case *ast.FuncDecl, *ast.FuncLit:
				if lines := f.files.Position(node.End()).Line - f.files.Position(node.Pos()).Line + 1; lines > maxFunction {
					t.Errorf("%s: a function of %d lines, and %d are enough", f.at(node.Pos()), lines, maxFunction)
				}
			}
			return true
		})
	}
}

// TestPackagesSayWhatTheyAre, and what they export.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	told := map[string]bool{}
	for _, f := range allGoFiles(t) {
		directory := filepath.Dir(f.path)
		told[directory] = told[directory] || f.syntax.Doc != nil
		if !f.in("datadog", "relay", "handler") {
			continue
		}
		for _, declaration := range f.syntax.Decls {
			for name, comment := range exported(declaration) {
				if strings.TrimSpace(comment.Text()) == "" {
					t.Errorf("%s: %s has no comment", f.at(declaration.Pos()), name)
				}
			}
		}
	}
	for directory, ok := range told {
		if !ok {
			t.Errorf("package %s has no comment", directory)
		}
	}
}

// exported are the exported names that a declaration makes, with what is said
// of each. One comment will do for a group.
func exported(declaration ast.Decl) map[string]*ast.CommentGroup {
	names := map[string]*ast.CommentGroup{}
	add := func(name *ast.Ident, comments ...*ast.CommentGroup) {
		if name.IsExported() {
			said := slices.IndexFunc(comments, func(comment *ast.CommentGroup) bool { return comment != nil })
			names[name.Name] = append(comments, nil)[max(said, 0)]
		}
	}
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		if ofExported(declaration) {
			add(declaration.Name, declaration.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range declaration.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				add(spec.Name, spec.Doc, declaration.Doc)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					add(name, spec.Doc, spec.Comment, declaration.Doc)
				}
			}
		}
	}
	return names
}

// ofExported reports whether a function is one, or a method of an exported
// type that no interface of the standard library explains.
func ofExported(function *ast.FuncDecl) bool {
	if function.Recv == nil {
		return true
	}
	receiver := function.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported() && function.Name.Name != "Error"
}

// TestSampleEventsAreUsed: what operators are given to try is what tests try.
func TestSampleEventsAreUsed(t *testing.T) {
	var users strings.Builder
	var samples []string
	err := walk(func(path string) error {
		switch {
		case strings.HasPrefix(path, "events/") && strings.HasSuffix(path, ".json"):
			samples = append(samples, filepath.Base(path))
		case strings.HasPrefix(path, "cmd/lambda/testdata/"), strings.HasSuffix(path, "_test.go"):
			content, err := os.ReadFile(path)
			users.Write(content)
			return err
		}
		return nil
	})
	if err != nil || len(samples) == 0 {
		t.Fatalf("found %d samples, %v", len(samples), err)
	}
	for _, sample := range samples {
		if !strings.Contains(users.String(), sample) {
			t.Errorf("events/%s is in no scenario and in no test", sample)
		}
	}
}

// TestNoFileKnowsTheMachine looks for paths that exist on one machine only: of
// home directories, and of this checkout.
func TestNoFileKnowsTheMachine(t *testing.T) {
	checkout, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	machines := regexp.MustCompile(`(?m)(?:^|[^\w.~/-])(?:/(?:home|Users|root|work|workspace|builds)/\w|[A-Z]:\\+Users\\|` +
		regexp.QuoteMeta(checkout) + `(?:\W|$))`)
	files := 0
	err = walk(func(path string) error {
		content, err := os.ReadFile(path)
		if err != nil || !utf8.Valid(content) {
			return err
		}
		files++
		if found := machines.FindIndex(content); found != nil {
			line := bytes.Count(content[:found[1]], []byte("\n")) + 1
			t.Errorf("%s:%d: mentions a path of a machine: %s", path, line, bytes.TrimSpace(content[found[0]:found[1]]))
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("read %d files, %v", files, err)
	}
}
