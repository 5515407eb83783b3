package relay

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"credential-relay/datadog"
)

// Federation is a way to call Datadog without a stored key of its: the function
// proves who it is in AWS, and gets a token of the service account that this
// identity is mapped to.
// https://docs.datadoghq.com/account_management/cloud_provider_authentication/
type Federation struct {
	OrgUUID     string
	Region      string
	Credentials aws.CredentialsProvider
	// Datadog exchanges the proof; its own keys are not used for that.
	Datadog *datadog.Client
}

// Keys gives a token, and another one before it ends or when it is refused.
func (f Federation) Keys() datadog.KeySource {
	return datadog.Cached(func(ctx context.Context) (*datadog.Keys, time.Time, error) {
		proof, err := f.proof(ctx, time.Now())
		if err != nil {
			return nil, time.Time{}, err
		}
		keys, expiresAt, err := f.Datadog.ExchangeProof(ctx, proof)
		if datadog.IsProofRejected(err) {
			err = fmt.Errorf("DD_ORG_UUID: the organization %s does not take the function's AWS role: "+
				"check the UUID, and the persona mapping of the role to a service account: %w", f.OrgUUID, err)
		}
		return keys, expiresAt, err
	})
}

// identityCall is what the proof would ask STS.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
const identityCall = "Action=GetCallerIdentity&Version=2011-06-15"

// proof is a call of STS that is signed and not sent: Datadog sends it, and so
// learns from AWS who has signed. That the organization is signed too keeps the
// proof from being used for another. Names and order are those of Datadog's own
// client:
// https://github.com/DataDog/datadog-api-client-go/blob/master/api/datadog/aws.go
func (f Federation) proof(ctx context.Context, at time.Time) (datadog.Proof, error) {
	credentials, err := f.Credentials.Retrieve(ctx)
	if err != nil {
		return datadog.Proof{}, fmt.Errorf("the function's AWS credentials: %w", err)
	}
	if credentials.SessionToken == "" {
		return datadog.Proof{}, errors.New("the AWS credentials are not those of a role, which alone Datadog takes: they have no session token")
	}
	host, region := stsOf(f.Region)
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host, strings.NewReader(identityCall))
	if err != nil {
		return datadog.Proof{}, err
	}
	call.Header = http.Header{
		"Content-Length": {strconv.Itoa(len(identityCall))},
		"Content-Type":   {"application/x-www-form-urlencoded; charset=utf-8"},
		"User-Agent":     {"credential-relay"},
		"x-ddog-org-id":  {f.OrgUUID},
	}
	hash := sha256.Sum256([]byte(identityCall))
	if err := v4.NewSigner().SignHTTP(ctx, credentials, call, hex.EncodeToString(hash[:]), "sts", region, at); err != nil {
		return datadog.Proof{}, fmt.Errorf("sign the proof: %w", err)
	}
	call.Header["host"] = []string{host}
	headers, err := json.Marshal(call.Header)
	if err != nil {
		return datadog.Proof{}, err
	}
	encode := base64.StdEncoding.EncodeToString
	text := strings.Join([]string{
		encode([]byte(identityCall)), encode(headers), http.MethodPost, encode([]byte("https://" + host)),
	}, "|")
	return datadog.Proof{Text: datadog.NewSecret(text), Holds: datadog.Secrets{
		"session token": datadog.NewSecret(credentials.SessionToken),
		"signature":     datadog.NewSecret(signatureIn(call.Header.Get("Authorization"))),
	}}, nil
}

// signatureIn returns what is secret in a signed Authorization header.
func signatureIn(authorization string) string {
	_, signature, _ := strings.Cut(authorization, "Signature=")
	return signature
}

// stsOf is the endpoint of STS in a region, and the region to sign for.
// https://docs.aws.amazon.com/general/latest/gr/sts.html
func stsOf(region string) (host, signFor string) {
	switch {
	case region == "":
		return "sts.amazonaws.com", "us-east-1"
	case strings.HasPrefix(region, "cn-"):
		return "sts." + region + ".amazonaws.com.cn", region
	default: // aws-us-gov has no other domain
		return "sts." + region + ".amazonaws.com", region
	}
}
