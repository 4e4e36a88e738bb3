/* toml.cc - libtomlplusplus behind the C functions of toml.h: the one C++ file.
 * Invariants: every function that C calls runs what may throw in guard(), which turns it
 * into a struct zs_error; no C++ type is seen outside.
 * Threads: none of its own; a parsed document is only read. */
#include "base/toml.h"

#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

extern "C" {
#include "base/error.h"
}

struct toml_doc {
    std::string name, text;
    toml::table root;
};

namespace
{

/* Run fn, which may throw; the result crosses the border as a return code. */
template <class F> int guard(struct zs_error *e, F &&fn) noexcept
{
    try {
        return fn();
    } catch (const std::bad_alloc &) {
        return error_memory(e);
    } catch (const std::exception &ex) {
        return error_set(e, ZS_INTERNAL_ERROR, "the TOML library failed: %s", ex.what());
    } catch (...) {
        return error_set(e, ZS_INTERNAL_ERROR, "the TOML library failed");
    }
}

const char *type_name(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "a list";
    case toml::node_type::string:
        return "a string";
    case toml::node_type::integer:
        return "an integer";
    case toml::node_type::floating_point:
        return "a floating-point number";
    case toml::node_type::boolean:
        return "true or false";
    default:
        return "a date or time";
    }
}

/* "a.b", for messages; keys that are not plain are quoted. */
std::string dotted(const char *const *path)
{
    std::string s;
    for (; *path != nullptr; path++) {
        std::string_view part(*path);
        bool plain = !part.empty();
        for (char c : part)
            plain = plain && (isalnum((unsigned char)c) || c == '_' || c == '-');
        s += s.empty() ? "" : ".";
        if (plain)
            s += part;
        else
            s.append("\"").append(part).append("\"");
    }
    return s;
}

/* The value at path, or nullptr. */
const toml::node *find(const toml::table &root, const char *const *path)
{
    const toml::node *node = &root;
    for (; node != nullptr && *path != nullptr; path++)
        node = node->is_table() ? node->as_table()->get(*path) : nullptr;
    return node;
}

int wrong_type(const struct toml_doc *t, const char *const *path, const toml::node &node,
               const char *wanted, struct zs_error *e)
{
    return error_set(e, ZS_BAD_VALUE, "%s, line %u: %s must be %s, and is %s", t->name.c_str(),
                     (unsigned)node.source().begin.line, dotted(path).c_str(), wanted,
                     type_name(node));
}

/* A key of very many parts ("a.a.a...") makes tables nested so deep that taking
 * them apart exhausts the stack, which the library does not guard against: so
 * dots that join keys are counted first.  Comments and strings are stepped over;
 * in a text that is no TOML the count may be off, but only behind the first
 * mistake, where the library stops.  Returns the line of the culprit, or 0. */
size_t find_deep_key(std::string_view s)
{
    size_t line = 1, dots = 0;
    auto starts = [&](size_t i, const char *what) { return s.substr(i, strlen(what)) == what; };
    for (size_t i = 0; i < s.size(); i++) {
        char c = s[i];
        if (c == '\n') {
            line++;
            dots = 0;
        } else if (c == '#') {
            while (i + 1 < s.size() && s[i + 1] != '\n')
                i++;
        } else if (c == '"' || c == '\'') {
            bool multi = starts(i, c == '"' ? "\"\"\"" : "'''");
            for (i += multi ? 3 : 1; i < s.size(); i++) {
                if (s[i] == '\n')
                    line++;
                if (c == '"' && s[i] == '\\' && i + 1 < s.size())
                    line += s[++i] == '\n';
                else if (!multi && (s[i] == c || s[i] == '\n'))
                    break;
                else if (multi && starts(i, c == '"' ? "\"\"\"" : "'''")) {
                    i += 2;
                    while (i + 1 < s.size() && s[i + 1] == c)
                        i++;
                    break;
                }
            }
        } else if (c == '.') {
            if (++dots >= TOML_KEY_PARTS)
                return line;
        } else if (c == '=' || c == ',' || c == '{' || c == '[') {
            dots = 0;
        }
    }
    return 0;
}

/* Deep equality.  The library's own == says that nan differs from itself. */
bool equal(const toml::node &a, const toml::node &b)
{
    if (a.type() != b.type())
        return false;
    if (const toml::table *ta = a.as_table()) {
        const toml::table &tb = *b.as_table();
        if (ta->size() != tb.size())
            return false;
        for (auto &&[key, value] : *ta) {
            const toml::node *other = tb.get(key.str());
            if (other == nullptr || !equal(value, *other))
                return false;
        }
        return true;
    }
    if (const toml::array *aa = a.as_array()) {
        const toml::array &ab = *b.as_array();
        if (aa->size() != ab.size())
            return false;
        for (size_t i = 0; i < aa->size(); i++)
            if (!equal(*aa->get(i), *ab.get(i)))
                return false;
        return true;
    }
    return a.visit([&](auto &&va) {
        using node_t = std::decay_t<decltype(va)>;
        if constexpr (toml::is_value<node_t>) {
            const auto &x = va.get();
            const auto &y = b.as<typename node_t::value_type>()->get();
            if constexpr (std::is_same_v<typename node_t::value_type, double>)
                return (x == y && std::signbit(x) == std::signbit(y)) ||
                       (std::isnan(x) && std::isnan(y));
            else
                return x == y;
        } else {
            return false;
        }
    });
}

/* Set the string at path in the tree.  False if a part of the path is no table. */
bool tree_set(toml::table &root, const char *const *path, const char *value)
{
    toml::table *at = &root;
    for (; path[1] != nullptr; path++) {
        at->insert(*path, toml::table{}); /* leaves one that is there */
        at = at->get(*path)->as_table();
        if (at == nullptr)
            return false;
    }
    at->insert_or_assign(*path, std::string(value));
    return true;
}

/* Remove what is at path.  A parent left empty goes as well if `other` does not
 * have it: [a.b] alone made both a and b. */
void tree_remove(toml::table &root, const toml::table *other, const char *const *path)
{
    toml::node *child = root.get(*path);
    if (child == nullptr)
        return;
    if (path[1] == nullptr) {
        root.erase(*path);
        return;
    }
    const toml::node *theirs = other != nullptr ? other->get(*path) : nullptr;
    if (toml::table *table = child->as_table()) {
        tree_remove(*table, theirs != nullptr ? theirs->as_table() : nullptr, path + 1);
        if (table->empty() && theirs == nullptr)
            root.erase(*path);
    }
}

/* An array of n views for C, from malloc. */
int hand_out(const std::vector<const char *> &views, const char *const **out, size_t *n,
             struct zs_error *e)
{
    *out = nullptr;
    *n = 0;
    if (views.empty())
        return ZS_OK;
    auto **array = static_cast<const char **>(calloc(views.size(), sizeof(char *)));
    if (array == nullptr)
        return error_memory(e);
    memcpy(array, views.data(), views.size() * sizeof(char *));
    *out = array;
    *n = views.size();
    return ZS_OK;
}

int c_string(const struct toml_doc *t, const char *const *path, const toml::node &node,
             const std::string &s, const char **out, struct zs_error *e)
{
    if (s.find('\0') != std::string::npos)
        return error_set(e, ZS_BAD_VALUE, "%s, line %u: %s has a NUL character in it",
                         t->name.c_str(), (unsigned)node.source().begin.line, dotted(path).c_str());
    *out = s.c_str();
    return ZS_OK;
}

} // namespace

int toml_parse(const char *text, size_t len, const char *name, struct toml_doc **out,
               struct zs_error *e)
{
    return guard(e, [&] {
        if (len > TOML_BYTES_MAX)
            return error_set(e, ZS_BAD_VALUE, "%s is too large: at most %zu bytes are read", name,
                             TOML_BYTES_MAX);
        if (size_t line = find_deep_key({text, len}); line != 0)
            return error_set(e, ZS_BAD_VALUE,
                             "%s, line %zu, column 1: a key has more than %d parts", name, line,
                             TOML_KEY_PARTS);
        auto t = std::make_unique<struct toml_doc>();
        t->name = name;
        t->text.assign(text, len);
        try {
            t->root = toml::parse(t->text);
        } catch (const toml::parse_error &bad) {
            error_set(e, ZS_BAD_VALUE, "%s, line %u, column %u: this is not valid TOML", name,
                      (unsigned)bad.source().begin.line, (unsigned)bad.source().begin.column);
            error_detail(e, "%.*s.", (int)bad.description().size(), bad.description().data());
            return error_hint(e, "Correct that line with a text editor.");
        }
        *out = t.release();
        return ZS_OK;
    });
}

int toml_load(const char *path, struct toml_doc **out, bool *missing, struct zs_error *e)
{
    if (missing != nullptr)
        *missing = false;
    return guard(e, [&] {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0) {
            int why = errno;
            if (missing != nullptr)
                *missing = why == ENOENT;
            return error_errno(e, why, "cannot read %s", path);
        }
        std::unique_ptr<FILE, int (*)(FILE *)> file(fdopen(fd, "r"), fclose);
        if (file == nullptr) {
            close(fd);
            return error_memory(e);
        }
        struct stat st;
        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
            return error_set(e, ZS_BAD_VALUE, "cannot read %s: it is not a file", path);
        std::string text((size_t)std::min<off_t>(st.st_size, TOML_BYTES_MAX) + 1, '\0');
        text.resize(fread(text.data(), 1, text.size(), file.get()));
        if (ferror(file.get()))
            return error_errno(e, errno, "cannot read %s", path);
        return toml_parse(text.data(), text.size(), path, out, e);
    });
}

void toml_free(struct toml_doc *t)
{
    delete t;
}

const char *toml_text(const struct toml_doc *t, size_t *len)
{
    *len = t->text.size();
    return t->text.c_str();
}

const char *toml_name(const struct toml_doc *t)
{
    return t->name.c_str();
}

bool toml_has(const struct toml_doc *t, const char *const *path)
{
    return find(t->root, path) != nullptr;
}

uint32_t toml_line(const struct toml_doc *t, const char *const *path)
{
    const toml::node *node = find(t->root, path);
    return node == nullptr ? 0 : node->source().begin.line;
}

int toml_get_string(const struct toml_doc *t, const char *const *path, const char **out,
                    struct zs_error *e)
{
    return guard(e, [&] {
        const toml::node *node = find(t->root, path);
        if (node == nullptr)
            return ZS_OK;
        if (!node->is_string())
            return wrong_type(t, path, *node, "a string", e);
        return c_string(t, path, *node, node->as_string()->get(), out, e);
    });
}

int toml_get_integer(const struct toml_doc *t, const char *const *path, int64_t min, int64_t max,
                     int64_t *out, struct zs_error *e)
{
    return guard(e, [&] {
        const toml::node *node = find(t->root, path);
        if (node == nullptr)
            return ZS_OK;
        if (!node->is_integer())
            return wrong_type(t, path, *node, "an integer", e);
        int64_t value = node->as_integer()->get();
        if (value < min || value > max)
            return toml_refuse(t, path, e, "%s must be from %lld to %lld, and is %lld",
                               dotted(path).c_str(), (long long)min, (long long)max,
                               (long long)value);
        *out = value;
        return ZS_OK;
    });
}

int toml_get_bool(const struct toml_doc *t, const char *const *path, bool *out, struct zs_error *e)
{
    return guard(e, [&] {
        const toml::node *node = find(t->root, path);
        if (node == nullptr)
            return ZS_OK;
        if (!node->is_boolean())
            return wrong_type(t, path, *node, "true or false", e);
        *out = node->as_boolean()->get();
        return ZS_OK;
    });
}

int toml_get_strings(const struct toml_doc *t, const char *const *path, const char *const **out,
                     size_t *n, struct zs_error *e)
{
    *out = nullptr;
    *n = 0;
    return guard(e, [&] {
        const toml::node *node = find(t->root, path);
        if (node == nullptr)
            return ZS_OK;
        if (!node->is_array())
            return wrong_type(t, path, *node, "a list of strings", e);
        std::vector<const char *> views;
        for (auto &&item : *node->as_array()) {
            const char *view = nullptr;
            if (!item.is_string())
                return error_set(e, ZS_BAD_VALUE,
                                 "%s, line %u: %s must be a list of strings, and has %s in it",
                                 t->name.c_str(), (unsigned)item.source().begin.line,
                                 dotted(path).c_str(), type_name(item));
            TRY(c_string(t, path, item, item.as_string()->get(), &view, e));
            views.push_back(view);
        }
        return hand_out(views, out, n, e);
    });
}

int toml_get_keys(const struct toml_doc *t, const char *const *path, const char *const **out,
                  size_t *n, struct zs_error *e)
{
    *out = nullptr;
    *n = 0;
    return guard(e, [&] {
        const toml::node *node = find(t->root, path);
        if (node == nullptr)
            return ZS_OK;
        if (!node->is_table())
            return wrong_type(t, path, *node, "a table", e);
        std::vector<const char *> views;
        for (auto &&[key, value] : *node->as_table()) {
            (void)value;
            if (key.str().find('\0') != std::string_view::npos)
                return error_set(e, ZS_BAD_VALUE, "%s, line %u: a key has a NUL character in it",
                                 t->name.c_str(), (unsigned)key.source().begin.line);
            views.push_back(key.data());
        }
        return hand_out(views, out, n, e);
    });
}

int toml_refuse(const struct toml_doc *t, const char *const *path, struct zs_error *e,
                const char *format, ...)
{
    char text[sizeof e->message]; /* error_set cuts it, at a character's border */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    uint32_t line = toml_line(t, path);
    if (line == 0)
        return error_set(e, ZS_BAD_VALUE, "%s: %s", t->name.c_str(), text);
    return error_set(e, ZS_BAD_VALUE, "%s, line %u: %s", t->name.c_str(), (unsigned)line, text);
}

int toml_key_parts(const char *key, size_t len, char ***out, size_t *n, struct zs_error *e)
{
    *out = nullptr;
    *n = 0;
    return guard(e, [&] {
        /* Let the library decode it: KEY = 0 makes one chain of tables. */
        toml::table doc = toml::parse(std::string(key, len) + " = 0");
        auto **parts = static_cast<char **>(calloc(TOML_KEY_PARTS, sizeof(char *)));
        if (parts == nullptr)
            return error_memory(e);
        size_t count = 0;
        for (const toml::table *at = &doc; at != nullptr && count < TOML_KEY_PARTS;) {
            auto first = at->begin();
            parts[count] = strdup(first->first.data());
            if (parts[count] == nullptr) {
                toml_parts_free(parts, count);
                return error_memory(e);
            }
            count++;
            at = first->second.as_table();
        }
        *out = parts;
        *n = count;
        return ZS_OK;
    });
}

void toml_parts_free(char **parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(parts[i]);
    free(parts);
}

int toml_check_edit(const struct toml_doc *t, const char *text, size_t len, const char *const *path,
                    const char *value, bool *same, struct zs_error *e)
{
    *same = false;
    return guard(e, [&] {
        struct toml_doc *raw = nullptr;
        if (toml_parse(text, len, "the edited text", &raw, e) != ZS_OK)
            return error_is(e, ZS_OUT_OF_MEMORY) ? ZS_FAIL : ZS_OK;
        std::unique_ptr<struct toml_doc> edited(raw);
        toml::table wanted = t->root;
        if (value != nullptr) {
            if (!tree_set(wanted, path, value))
                return ZS_OK;
        } else {
            tree_remove(wanted, &edited->root, path);
        }
        *same = equal(wanted, edited->root);
        return ZS_OK;
    });
}
