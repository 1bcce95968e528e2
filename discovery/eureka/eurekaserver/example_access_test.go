package eurekaserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/namesake-go/namesake/discovery/eureka/eurekaserver"
)

// Instances of an application register with a password, anybody reads, and
// operators show a token.
func ExampleWithAccess() {
	registry := eurekaserver.New(eurekaserver.WithAccess(
		eurekaserver.BasicAuth(eurekaserver.User{
			Caller:   eurekaserver.Caller{Name: "orders", Grant: eurekaserver.Write, Apps: []string{"ORDERS"}},
			Password: "correct horse",
		}),
		eurekaserver.BearerTokens(eurekaserver.Token{
			Caller: eurekaserver.Caller{Name: "operators", Grant: eurekaserver.Read | eurekaserver.Operate},
			Token:  "battery staple",
		}),
		eurekaserver.Anyone(eurekaserver.Read),
	))
	defer registry.Close()

	put := func(path, user, password string) {
		r := httptest.NewRequest(http.MethodPut, path, nil)
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		registry.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	put("/eureka/apps/ORDERS/orders-1", "orders", "correct horse") // allowed, and unknown
	put("/eureka/apps/STOCK/stock-1", "orders", "correct horse")   // not its own
	put("/eureka/apps/ORDERS/orders-1", "orders", "guess")
	put("/eureka/apps/ORDERS/orders-1", "", "")
	// Output:
	// 404
	// 403
	// 401
	// 403
}

// Callers are known by other means than the ready-made ones: here by what a
// proxy says that alone can reach the registry.
func ExampleAuthenticatorFunc() {
	proxy := eurekaserver.AuthenticatorFunc("", func(r *http.Request) (eurekaserver.Caller, error) {
		name := r.Header.Get("X-Forwarded-User")
		if name == "" {
			return eurekaserver.Caller{}, eurekaserver.ErrNoCredentials
		}
		return eurekaserver.Caller{Name: name, Grant: eurekaserver.Read}, nil
	})
	registry := eurekaserver.New(eurekaserver.WithAccess(proxy))
	defer registry.Close()

	r := httptest.NewRequest(http.MethodGet, "/eureka/apps", nil)
	w := httptest.NewRecorder()
	registry.ServeHTTP(w, r)
	fmt.Println(w.Code)
	r.Header.Set("X-Forwarded-User", "ann")
	w = httptest.NewRecorder()
	registry.ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// 401
	// 200
}
