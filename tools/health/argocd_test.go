package health

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
	luajson "layeh.com/gopher-json"
)

// argoCD evaluates a health script as Argo CD does for one of argocd-cm: one second of time, of the libraries only package,
// base, table (and a safe part of os, which we do not need), the object as the global obj, a table as the result.
func argoCD(script string, object map[string]any) (string, string, error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		call := lua.P{Fn: l.NewFunction(open), NRet: 0, Protect: true}
		if err := l.CallByParam(call, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", toLua(l, object))
	if err := l.DoString(script); err != nil {
		return "", "", err
	}
	result := l.Get(-1)
	if result.Type() != lua.LTTable {
		return "", "", fmt.Errorf("returned %s, not a table", result.Type())
	}
	encoded, err := luajson.Encode(result)
	if err != nil {
		return "", "", err
	}
	var health struct{ Status, Message string }
	if err := json.Unmarshal(encoded, &health); err != nil {
		return "", "", err
	}
	switch health.Status {
	case "Healthy", "Progressing", "Suspended", "Degraded", "Missing", "Unknown":
		return health.Status, health.Message, nil
	}
	return "", "", fmt.Errorf("%q is no health that Argo CD knows", health.Status)
}

func toLua(l *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		list := l.CreateTable(len(value), 0)
		for _, item := range value {
			list.Append(toLua(l, item))
		}
		return list
	case map[string]any:
		table := l.CreateTable(0, len(value))
		for key, item := range value {
			table.RawSetString(key, toLua(l, item))
		}
		return table
	}
	return lua.LNil
}
