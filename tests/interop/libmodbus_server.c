/*
 * A Modbus server on libmodbus that holds what a file says, for the interop tests.
 *
 *     libmodbus_server MEMORY [PORT]
 *
 * PORT is one of 127.0.0.1, for Modbus TCP (any free one unless it is named), or the path of a serial port, for Modbus RTU at
 * 115200 baud without parity, where libmodbus can be one unit only: the first. The first line that it prints is `PORT n`. It
 * ends when its standard input does, so that none is left behind by a test that was killed. MEMORY has one line for a run of
 * values, which stay as they are. A table ends after its last value, and what is not named before it is 0; past it is an illegal address:
 *
 *     unit 1
 *     holding 10 0x1234 0x5678
 *     coil 3 1 0 1
 */

#include <modbus.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UNITS = 256, PLACES = 65536 };

/* Each unit with its four tables. */
static modbus_mapping_t *units[UNITS];

static void fail(const char *what, const char *about)
{
    fprintf(stderr, "libmodbus_server: %s: %s\n", what, about);
    exit(1);
}

/* Tables as large as addresses can say, shortened to what they hold while the file is read. */
static modbus_mapping_t *unit(long id)
{
    if (id < 0 || UNITS <= id)
        fail("no such unit id", "0 to 255");
    if (units[id] == NULL) {
        modbus_mapping_t *made = modbus_mapping_new(PLACES, PLACES, PLACES, PLACES);
        if (made == NULL)
            fail("mapping", modbus_strerror(errno));
        made->nb_bits = made->nb_input_bits = made->nb_registers = made->nb_input_registers = 0;
        units[id] = made;
    }
    return units[id];
}

static void hold(modbus_mapping_t *memory, const char *table, long at, long value)
{
    int *length = NULL;
    if (at < 0 || PLACES <= at)
        fail("no such address in", table);
    if (strcmp(table, "coil") == 0) {
        memory->tab_bits[at] = value != 0;
        length = &memory->nb_bits;
    } else if (strcmp(table, "discrete") == 0) {
        memory->tab_input_bits[at] = value != 0;
        length = &memory->nb_input_bits;
    } else if (strcmp(table, "holding") == 0) {
        memory->tab_registers[at] = (uint16_t)value;
        length = &memory->nb_registers;
    } else if (strcmp(table, "input") == 0) {
        memory->tab_input_registers[at] = (uint16_t)value;
        length = &memory->nb_input_registers;
    } else {
        fail("no such table", table);
    }
    if (*length <= at)
        *length = (int)at + 1;
}

static void read_memory(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail("cannot open", path);
    char *line = NULL;
    size_t room = 0;
    modbus_mapping_t *memory = NULL;
    while (getline(&line, &room, file) != -1) {
        const char *table = strtok(line, " \n");
        const char *at = strtok(NULL, " \n");
        if (table == NULL)
            continue;
        if (at == NULL)
            fail("cannot read a line of", table);
        if (strcmp(table, "unit") == 0) {
            memory = unit(strtol(at, NULL, 0));
            continue;
        }
        if (memory == NULL)
            fail("no unit before", table);
        long place = strtol(at, NULL, 0);
        for (const char *value; (value = strtok(NULL, " \n")) != NULL; place++)
            hold(memory, table, place, strtol(value, NULL, 0));
    }
    free(line);
    fclose(file);
}

/* Answers one request; false when the client is gone or made no sense. */
static int answer(modbus_t *context, int client)
{
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(context, client);
    int length = modbus_receive(context, request);
    if (length == -1)
        return 0;
    if (length == 0)
        return 1;
    modbus_mapping_t *memory = units[request[modbus_get_header_length(context) - 1]];
    if (memory == NULL)
        return modbus_reply_exception(context, request, MODBUS_EXCEPTION_GATEWAY_TARGET) != -1;
    return modbus_reply(context, request, length, memory) != -1;
}

/* Answers whatever comes over a serial line. */
static int serve_line(const char *port)
{
    int id = 0;
    while (id < UNITS && units[id] == NULL)
        id++;
    modbus_t *context = modbus_new_rtu(port, 115200, 'N', 8, 1);
    if (context == NULL || modbus_set_slave(context, id) == -1 || modbus_connect(context) == -1)
        fail("cannot serve the line", modbus_strerror(errno));
    int line = modbus_get_socket(context);
    printf("PORT %s\n", port);
    fflush(stdout);
    for (;;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(STDIN_FILENO, &ready);
        FD_SET(line, &ready);
        if (select(line + 1, &ready, NULL, NULL, NULL) == -1)
            fail("select", modbus_strerror(errno));
        char rest[64];
        if (FD_ISSET(STDIN_FILENO, &ready) && read(STDIN_FILENO, rest, sizeof rest) <= 0)
            return 0;
        if (FD_ISSET(line, &ready) && !answer(context, line))
            modbus_flush(context);
    }
}

int main(int count, char **arguments)
{
    if (count < 2)
        fail("usage", "libmodbus_server MEMORY [PORT]");
    read_memory(arguments[1]);
    if (count > 2 && arguments[2][0] == '/')
        return serve_line(arguments[2]);
    modbus_t *context = modbus_new_tcp("127.0.0.1", count > 2 ? atoi(arguments[2]) : 0);
    if (context == NULL)
        fail("context", modbus_strerror(errno));
    int listener = modbus_tcp_listen(context, 8);
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (listener == -1 || getsockname(listener, (struct sockaddr *)&address, &size) == -1)
        fail("cannot listen", modbus_strerror(errno));
    printf("PORT %d\n", ntohs(address.sin_port));
    fflush(stdout);

    fd_set open;
    FD_ZERO(&open);
    FD_SET(STDIN_FILENO, &open);
    FD_SET(listener, &open);
    for (;;) {
        fd_set ready = open;
        if (select(FD_SETSIZE, &ready, NULL, NULL, NULL) == -1)
            fail("select", modbus_strerror(errno));
        char rest[64];
        if (FD_ISSET(STDIN_FILENO, &ready) && read(STDIN_FILENO, rest, sizeof rest) <= 0)
            return 0;
        if (FD_ISSET(listener, &ready)) {
            int client = accept(listener, NULL, NULL);
            if (FD_SETSIZE <= client)
                close(client);
            else if (client != -1)
                FD_SET(client, &open);
        }
        for (int client = 0; client < FD_SETSIZE; client++) {
            if (client != STDIN_FILENO && client != listener && FD_ISSET(client, &ready) && !answer(context, client)) {
                close(client);
                FD_CLR(client, &open);
            }
        }
    }
}
