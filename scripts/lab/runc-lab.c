/*
 * Stands in front of runc on machines whose root may not raise resource limits (no CAP_SYS_RESOURCE in the bounding set).
 *
 * Container engines ask for things such a machine refuses: a negative OOM score, rlimits above the current ones and the
 * capability itself for privileged containers. This program takes those three wishes out of the JSON that `--bundle DIR`
 * (DIR/config.json) and `--process FILE` name, then becomes the real runc. It is for test hosts only.
 *
 * It is C and static because it runs at every start of and every exec into a container. The JSON comes from Go's encoder:
 * inside a string every quote is escaped, so a key with its bare quotes and colon is found only where it is a key.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The distribution's, else the one that nodelet brings along. */
static char *const real_runc[] = { "/usr/sbin/runc", "/opt/pf9/bin/runc", NULL };

static void fail(const char *action, const char *object) {
	fprintf(stderr, "runc-lab: cannot %s \"%s\": %s\n", action, object, strerror(errno));
	exit(125);
}

static char *skip_blanks(char *at) {
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') {
		at++;
	}
	return at;
}

/* Where the value of the next occurrence of a key starts, or NULL. */
static char *value_of(char *from, const char *key) {
	size_t length = strlen(key);
	for (char *at = from; (at = strstr(at, key)) != NULL; at += length) {
		char *next = skip_blanks(at + length);
		if (*next == ':') {
			return skip_blanks(next + 1);
		}
	}
	return NULL;
}

/* The bracket that closes the one at `open`, strings passed over. */
static char *closing(char *open) {
	int depth = 0, quoted = 0;
	for (char *at = open; *at; at++) {
		if (quoted) {
			if (*at == '\\' && at[1]) {
				at++;
			} else if (*at == '"') {
				quoted = 0;
			}
		} else if (*at == '"') {
			quoted = 1;
		} else if (*at == '[' || *at == '{') {
			depth++;
		} else if ((*at == ']' || *at == '}') && --depth == 0) {
			return at;
		}
	}
	return NULL;
}

static void cut(char *from, char *to) {
	memmove(from, to, strlen(to) + 1);
}

static void raise_oom_score(char *text) {
	for (char *at = text; (at = value_of(at, "\"oomScoreAdj\"")) != NULL;) {
		if (*at == '-') {
			char *end = at + 1 + strspn(at + 1, "0123456789");
			*at = '0';
			cut(at + 1, end);
		}
	}
}

static void empty_rlimits(char *text) {
	for (char *at = text; (at = value_of(at, "\"rlimits\"")) != NULL;) {
		char *end = *at == '[' ? closing(at) : NULL;
		if (end != NULL) {
			cut(at + 1, end);
		}
	}
}

static void drop_capability(char *text) {
	static const char name[] = "\"CAP_SYS_RESOURCE\"";
	for (char *at = text; (at = value_of(at, "\"capabilities\"")) != NULL;) {
		if (*at != '{') {
			continue;
		}
		char *found;
		while ((found = strstr(at, name)) != NULL && found < closing(at)) {
			char *after = skip_blanks(found + sizeof name - 1);
			if (*after == ',') {
				after = skip_blanks(after + 1);
			} else {
				while (found > at && strchr(" \t\r\n", found[-1])) {
					found--;
				}
				if (found[-1] == ',') {
					found--;
				}
			}
			cut(found, after);
		}
	}
}

/* Rewrites one file; a reader never sees half of it. */
static void edit(const char *path) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat info;
	if (fd < 0 || fstat(fd, &info) != 0) {
		fail("open", path);
	}
	char *text = malloc((size_t)info.st_size + 1);
	if (text == NULL) {
		fail("hold", path);
	}
	size_t length = 0;
	ssize_t got;
	while (length < (size_t)info.st_size && (got = read(fd, text + length, (size_t)info.st_size - length)) > 0) {
		length += (size_t)got;
	}
	text[length] = '\0';
	close(fd);

	raise_oom_score(text);
	empty_rlimits(text);
	drop_capability(text);

	size_t edited = strlen(text);
	if (edited == length) {
		free(text);
		return;
	}
	char fresh[4096];
	if (snprintf(fresh, sizeof fresh, "%s.lab", path) >= (int)sizeof fresh) {
		errno = ENAMETOOLONG;
		fail("name", path);
	}
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, info.st_mode & 0777);
	if (fd < 0 || write(fd, text, edited) != (ssize_t)edited || close(fd) != 0 || rename(fresh, path) != 0) {
		fail("write", path);
	}
	free(text);
}

/* The value of an option given as `--name value` or `--name=value`. */
static const char *option(char **argv, int index, const char *name) {
	size_t length = strlen(name);
	if (strncmp(argv[index], name, length) != 0) {
		return NULL;
	}
	if (argv[index][length] == '=') {
		return argv[index] + length + 1;
	}
	return argv[index][length] == '\0' ? argv[index + 1] : NULL;
}

int main(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		const char *bundle = option(argv, i, "--bundle");
		const char *process = option(argv, i, "--process");
		if (bundle != NULL) {
			char path[4096];
			if (snprintf(path, sizeof path, "%s/config.json", bundle) >= (int)sizeof path) {
				errno = ENAMETOOLONG;
				fail("name", bundle);
			}
			edit(path);
		}
		if (process != NULL) {
			edit(process);
		}
	}
	for (char *const *runc = real_runc; *runc != NULL; runc++) {
		argv[0] = *runc;
		execv(*runc, argv);
		if (errno != ENOENT) {
			break;
		}
	}
	fail("run", argv[0]);
	return 125;
}
